"""What was measured of the same examples before, kept by content: a query need not measure them anew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.trial.data import encode
from sweeper.trial.data.cache import cached, digest
from sweeper.trial.data.examples import Array, Examples
from sweeper.trial.data.split import Parts
from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.label_model import Guesses
from sweeper.trial.inspect.outliers import Outliers

FEWEST = 2000  # examples; fewer are measured in seconds
FILE = "inspected.npz"
WHOLE = ("split", "exact", "near", "pairs")
BY_NAME = ("statistics", "issues")


def kept(folder: Path, examples: Examples, parts: Parts, measure: Callable[[], Inspected]) -> Inspected:
    """What ``measure`` gives, or gave in an earlier process for equal examples and the same code."""
    if len(examples) < FEWEST:
        return measure()
    here: list[Inspected] = []

    def write(beside: Path) -> None:
        here.append(measure())
        np.savez(beside / FILE, **_arrays(here[0]))  # type: ignore[arg-type]  # numpy's stubs take its flag for one

    path = cached(folder, digest("inspect", _code(), *_looked_at(examples, parts)), write) / FILE
    return here[0] if here else _read(path, examples, parts)


def _arrays(found: Inspected) -> dict[str, Array]:
    """All of it as named arrays; names that are a person's own are numbered, as files in an archive are named so."""
    arrays: dict[str, Array] = {name: getattr(found, name) for name in WHOLE}
    for group in BY_NAME:
        columns = getattr(found, group)
        arrays[group] = np.array(list(columns), dtype=np.str_)
        arrays |= {f"{group}.{place}": values for place, values in enumerate(columns.values())}
    for name, scores in (("outliers", found.outliers), ("guesses", found.guesses)):
        if scores is not None:
            arrays |= {f"{name}.{key}": np.asarray(value) for key, value in asdict(scores).items()}
    return arrays


def _read(path: Path, examples: Examples, parts: Parts) -> Inspected:
    with np.load(path) as file:
        arrays = dict(file)
    whole: dict[str, Any] = {name: arrays[name] for name in WHOLE}
    columns: dict[str, Any] = {group: _named(arrays, group) for group in BY_NAME}
    scores = Outliers(**_fields(arrays, "outliers"))
    guesses: dict[str, Any] = _fields(arrays, "guesses")
    guesses |= {name: float(guesses[name]) for name in ("skill", "chance") if name in guesses}
    return Inspected(
        examples, parts, **whole, **columns, outliers=scores, guesses=Guesses(**guesses) if guesses else None
    )


def _named(arrays: dict[str, Array], group: str) -> dict[str, Array]:
    return {str(name): arrays[f"{group}.{place}"] for place, name in enumerate(arrays[group])}


def _fields(arrays: dict[str, Array], name: str) -> dict[str, Array]:
    return {key.removeprefix(f"{name}."): values for key, values in arrays.items() if key.startswith(f"{name}.")}


def _looked_at(examples: Examples, parts: Parts) -> list[object]:
    """Everything that a measurement depends on."""
    arrays = [examples.inputs, examples.targets, *parts, *examples.facts.values()]
    problems = [(problem.issue, problem.example) for problem in examples.problems]
    return [*map(_content, arrays), list(examples.facts), examples.classes, examples.columns, problems]


def _content(array: Array) -> tuple[str, str, tuple[int, ...]]:
    found = hashlib.blake2b(np.ascontiguousarray(array).view(np.uint8).data, digest_size=16)
    return found.hexdigest(), str(array.dtype), array.shape


def _code() -> str:
    """What measures: what another version found is not taken for its own."""
    found = hashlib.blake2b(digest_size=16)
    for path in [*sorted(Path(__file__).parent.glob("*.py")), Path(encode.__file__ or "")]:
        found.update(path.read_bytes())
    return found.hexdigest()
