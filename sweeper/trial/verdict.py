"""What a check or an inspection says: a measured value, what was expected of it, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeper.trial.pictures import Picture

PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "not applicable"


@dataclass(frozen=True)
class Verdict:
    """One check's answer: ``reason`` is a sentence with the numbers, ``advice`` what to do about a failure."""

    check: str
    state: str
    reason: str
    expected: str = ""
    advice: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    hypothesis: str = ""
    tip: int | None = None
    group: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """All verdicts in causal order, the time they took, what was checked and by which stage, in words."""

    subject: str
    verdicts: tuple[Verdict, ...]
    seconds: float
    page: Path | None = None
    stage: str = "check"

    def __repr__(self) -> str:
        """A line a verdict, as a notebook shows it."""
        from sweeper.trial.verdict_lines import lines

        return "\n".join(lines(self))

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __getitem__(self, check: str) -> Verdict:
        return next(verdict for verdict in self.verdicts if verdict.check == check)

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The failed verdicts; the first is the likely root cause of the others."""
        return tuple(verdict for verdict in self.verdicts if verdict.state == FAIL)

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return not self.failures

    def count(self, state: str) -> int:
        """How many verdicts are in ``state``."""
        return sum(verdict.state == state for verdict in self.verdicts)
