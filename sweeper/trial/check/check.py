"""What a check is: one question to a training setup, and the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from hydra.errors import CompactHydraException

from sweeper.trial.verdict import FAIL, NOT_APPLICABLE, PASS, Report, Verdict

if TYPE_CHECKING:
    from sweeper.trial.check.subject import Subject
    from sweeper.trial.pictures import Picture


class NotApplicable(Exception):
    """Raised by a check that has nothing to measure here; the text is the reason."""


class Check:
    """One question. A subclass states it, measures the subject and gives a verdict.

    ``rank`` orders the checks of a group, causes first. A check in ``needs`` that failed makes this one
    not applicable, as its measurement would only show that failure again.
    """

    name: ClassVar[str]
    rank: ClassVar[int]
    tip: ClassVar[int | None] = None
    hypothesis: ClassVar[str]
    advice: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    group: ClassVar[str] = ""  # the folder's name, set by the runner

    def measure(self, subject: Subject) -> Verdict:
        """Measure and judge; NotApplicable where there is nothing to measure."""
        raise NotImplementedError

    def passed(
        self, reason: str, *, expected: str = "", measured: Mapping[str, float] | None = None,
        pictures: tuple[Picture, ...] = (),
    ) -> Verdict:  # fmt: skip
        """The hypothesis holds."""
        return self._verdict(PASS, reason, expected, "", measured, pictures)

    def failed(
        self, reason: str, *, expected: str, advice: str = "", measured: Mapping[str, float] | None = None,
        pictures: tuple[Picture, ...] = (),
    ) -> Verdict:  # fmt: skip
        """It does not; ``advice`` where the measurement says more than the class does."""
        return self._verdict(FAIL, reason, expected, advice or self.advice, measured, pictures)

    def judged(
        self, holds: bool, reason: str, *, expected: str, advice: str = "",
        measured: Mapping[str, float] | None = None, pictures: tuple[Picture, ...] = (),
    ) -> Verdict:  # fmt: skip
        """:meth:`passed` or :meth:`failed` with one sentence for both."""
        if holds:
            return self.passed(reason, expected=expected, measured=measured, pictures=pictures)
        return self.failed(reason, expected=expected, advice=advice, measured=measured, pictures=pictures)

    def not_applicable(self, reason: str) -> Verdict:
        """There is nothing to measure."""
        return self._verdict(NOT_APPLICABLE, reason, "", "", None, ())

    def _verdict(
        self, state: str, reason: str, expected: str, advice: str,
        measured: Mapping[str, float] | None, pictures: tuple[Picture, ...],
    ) -> Verdict:  # fmt: skip
        return Verdict(
            self.name, state, reason, expected, advice, dict(measured or {}), pictures,
            self.hypothesis, self.tip, self.group,
        )  # fmt: skip


class CheckFailed(AssertionError, CompactHydraException):
    """Some verdicts failed; the message gives each with its numbers, the root cause first."""

    def __init__(self, report: Report, message: str) -> None:
        super().__init__(message)
        self.report = report
        self.checks = tuple(verdict.check for verdict in report.failures)
