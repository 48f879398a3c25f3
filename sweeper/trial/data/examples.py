"""What a source returns, what training sees of it, and what makes examples unusable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeper.errors import ConfigError

Array = npt.NDArray[Any]


SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, and its categories in order if it holds words instead of numbers."""

    name: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Problem:
    """Something of a person's data that can't be used as it is: where (a name), what, and in which words.

    ``example`` is the row it has among the examples, None where it could not become one.
    """

    where: str
    issue: str
    detail: str
    example: int | None = None
    split: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Examples:
    """All examples of a source, as it has them.

    ``inputs``: (examples, \\*shape); floats and pixels (uint8) are standardised later, other integers (tokens)
    are left alone.
    ``targets``: (examples,); class numbers from 0, or for regression values in their own unit.
    ``classes``: a name for each class, None for regression.
    ``names``: (examples,) what a person calls each, a path or a row; its number if None.
    ``columns``: of a table, whose inputs (examples, columns) are numbers, numbers of categories, or NaN (missing).
    ``split``: (examples,) places in ``SPLITS``, where the source itself says what is for what.
    ``groups``: (examples,) numbers of what must stay on one side of a split, such as a patient.
    ``problems``: what is wrong with some of it; training refuses these, ``stage=inspect`` shows them.
    ``facts``: columns (examples,) that are known of each example beside its inputs, such as a file's size.
    """

    name: str
    inputs: Array
    targets: Array
    classes: tuple[str, ...] | None = None
    names: Array | None = None
    columns: tuple[Column, ...] | None = None
    split: Array | None = None
    groups: Array | None = None
    problems: tuple[Problem, ...] = ()
    facts: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.targets)

    def name_of(self, example: int) -> str:
        """What a person calls an example."""
        return str(example if self.names is None else self.names[example])

    def only(self, kept: Array) -> Examples:
        """These examples alone, in this order, ``kept`` being indices; problems of the others are dropped."""
        place = {int(old): new for new, old in enumerate(kept)}
        problems = [p for p in self.problems if p.example is None or p.example in place]
        return replace(
            self,
            inputs=self.inputs[kept],
            targets=self.targets[kept],
            names=np.asarray(kept) if self.names is None else self.names[kept],
            split=None if self.split is None else self.split[kept],
            groups=None if self.groups is None else self.groups[kept],
            problems=tuple(p if p.example is None else replace(p, example=place[p.example]) for p in problems),
            facts={name: values[kept] for name, values in self.facts.items()},
        )


@dataclass(frozen=True)
class Split:
    """A part of the examples, standardised, read-only: inputs (examples, \\*shape), targets (examples,)."""

    inputs: Array
    targets: Array

    def __post_init__(self) -> None:
        for array in (self.inputs, self.targets):
            array.flags.writeable = False  # shared by every trial of a process

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Data:
    """What training and selection may see.

    ``target_mean`` and ``target_std``: regression targets are (value - mean) / std over the training split,
    so their losses are in units of the target's training variance; 0 and 1 for classes.
    """

    name: str
    train: Split
    val: Split
    classes: tuple[str, ...] | None
    target_mean: float
    target_std: float

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for an example: one a class, one for regression."""
        return 1 if self.classes is None else len(self.classes)

    def __str__(self) -> str:
        shape = "x".join(map(str, self.input_shape)) if len(self.input_shape) > 1 else f"{self.input_shape[0]} features"
        kind = "regression" if self.classes is None else f"{len(self.classes)} classes"
        return f"data={self.name}: {shape}, {kind}"


def check(examples: Examples) -> None:
    """Raise ConfigError for examples that no model can learn from, saying which."""
    name, inputs, targets = f"data={examples.name}", examples.inputs, examples.targets
    if len(inputs) == 0:
        raise ConfigError(f"{name} must have examples, got none; check its path or filter")
    if len(inputs) != len(targets) or targets.ndim != 1:
        raise ConfigError(
            f"{name} must have one target an example, got inputs {inputs.shape} and targets {targets.shape}"
        )
    if inputs.ndim < 2 or 0 in inputs.shape:
        raise ConfigError(f"{name} must have inputs (examples, features …), got shape {inputs.shape}")
    if examples.problems:
        raise ConfigError(_first_problem(examples))
    if examples.columns is None and inputs.dtype.kind == "f" and not (finite := np.isfinite(inputs)).all():
        rows = np.flatnonzero(~finite.reshape(len(inputs), -1).all(axis=1))
        raise ConfigError(
            f"{name} must have finite features, got NaN or infinity in {len(rows)} of {len(inputs)} examples "
            f"(first: {rows[0]}); drop or impute them in the source"
        )
    if examples.classes is None:
        _check_values(name, targets)
    else:
        _check_classes(name, targets, len(examples.classes))


def _first_problem(examples: Examples) -> str:
    first, others = examples.problems[0], len(examples.problems) - 1
    more = f" and {others} more like it or worse" if others else ""
    return (
        f"data={examples.name} must be readable as a whole, got {first.issue} in {first.where}{more} ({first.detail}); "
        "repair it, or list it in a file for data.exclude, as stage=inspect inspect.exclude=exclude.txt does"
    )


def _check_values(name: str, targets: Array) -> None:
    if targets.dtype.kind not in "fiu" or not np.isfinite(targets).all():
        raise ConfigError(f"{name} must have finite numbers as targets; drop or repair the others in the source")
    if np.ptp(targets) == 0:
        raise ConfigError(f"{name} must have targets that differ, got {targets[0]} everywhere; nothing to learn")


def _check_classes(name: str, targets: Array, classes: int) -> None:
    if targets.dtype.kind not in "iu":
        raise ConfigError(f"{name} must have class numbers (integers) as targets, got {targets.dtype}")
    present = np.unique(targets)
    if present[0] < 0 or present[-1] >= classes:
        raise ConfigError(f"{name} must have targets in [0, {classes - 1}], got {present[0]} to {present[-1]}")
    if len(present) < 2:
        raise ConfigError(f"{name} must have two classes or more, got only class {present[0]}; nothing to learn")
