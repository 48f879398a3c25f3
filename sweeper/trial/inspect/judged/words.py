"""How a verdict on data is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweeper.trial.data.examples import Array
from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.pictures import Picture
from sweeper.trial.verdict import FAIL, NOT_APPLICABLE, PASS, Verdict

SHOWN = 8  # examples named in a sentence or shown in a picture row


def judged(
    name: str, tip: int, holds: bool, reason: str, *, expected: str, advice: str, hypothesis: str,
    measured: dict[str, float] | None = None, pictures: tuple[Picture, ...] = (),
) -> Verdict:  # fmt: skip
    state = PASS if holds else FAIL
    return Verdict(name, state, reason, expected, advice, measured or {}, pictures, hypothesis, tip, "data")


def skip(name: str, tip: int, reason: str) -> Verdict:
    return Verdict(name, NOT_APPLICABLE, reason, tip=tip, group="data")


def colon(words: str, count: int, shown: int = SHOWN) -> str:
    return f": {words}{' …' if count > shown else ''}" if words else ""


def names_of(found: Inspected, masks: Sequence[Array | None]) -> str:
    rows = np.flatnonzero(np.logical_or.reduce([mask for mask in masks if mask is not None]))
    return ", ".join(found.examples.name_of(int(i)) for i in rows[:4])


def short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)[:24]
