"""Verdicts as lines of text, failures first, causes before effects."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.trial.check.verdict import FAIL, NOT_APPLICABLE, PASS, Report, Verdict

MARKS = {FAIL: "FAIL", PASS: "pass", NOT_APPLICABLE: "n/a "}


def headline(report: Report) -> str:
    """What was checked, how many verdicts of each kind, how long it took."""
    counts = f"{report.count(PASS)} pass, {report.count(FAIL)} fail, {report.count(NOT_APPLICABLE)} not applicable"
    return f"check of {report.subject}: {counts}, {report.seconds:.1f} s"


def lines(report: Report) -> Iterator[str]:
    """One line a verdict."""
    yield headline(report)
    for state in (FAIL, PASS, NOT_APPLICABLE):
        for verdict in report.verdicts:
            if verdict.state == state:
                yield line(verdict)


def line(verdict: Verdict) -> str:
    """``FAIL name  what was measured; expected …; what to do``."""
    text = f"{MARKS[verdict.state]} {verdict.check:<24} {verdict.reason}"
    if verdict.state == FAIL:
        text += f"; expected {verdict.expected}; {verdict.advice}"
    return " ".join(text.splitlines())


def message(report: Report) -> str:
    """What an exception says: the failures, the likely cause first."""
    names = ", ".join(verdict.check for verdict in report.failures)
    return "\n".join([f"{len(report.failures)} of {len(report.verdicts)} checks failed: {names}",
                      *(line(verdict) for verdict in report.failures)])  # fmt: skip
