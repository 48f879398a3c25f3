"""Targets from whatever a person's data hold: class numbers or values, by their type."""

from __future__ import annotations

import numpy as np

from sweeper.errors import ConfigError
from sweeper.trial.data.examples import Array

TASKS = ("auto", "classification", "regression")
FEW = 20  # whole numbers with at most this many different values are classes, as in 0 to 9


def targets_of(values: Array, task: str, key: str) -> tuple[Array, tuple[str, ...] | None]:
    """Class numbers with their names, or values with None; text and truth values are classes.

    ``task`` overrides the type; ``key`` names the target in errors.
    """
    if task not in TASKS:
        raise ConfigError(f"data.task must be one of {', '.join(TASKS)}, got {task}; try data.task=auto")
    numeric = values.dtype.kind in "fiu"
    if task == "regression" and not numeric and values.dtype.kind != "b":
        raise ConfigError(
            f"data.task must be classification for the words in {key} (such as {values[0]!r}), got regression; "
            "try data.task=auto"
        )
    whole = values.dtype.kind in "iu" and len(np.unique(values)) <= FEW
    if task == "regression" or (task == "auto" and numeric and not whole):
        return values.astype(np.float64), None
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        values = values.astype(np.int64)  # classes read as 0.0, 1.0: a column that had holes
    names, numbers = np.unique(values.astype(str) if values.dtype.kind not in "iufb" else values, return_inverse=True)
    return numbers.astype(np.int64), tuple(str(name) for name in names)
