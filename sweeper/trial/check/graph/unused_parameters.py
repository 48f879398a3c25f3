"""Parameters without an effect."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.graph.reach import without_gradient
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class UnusedParameters(Check):
    """A layer that was made but is not called has parameters that change nothing."""

    name, rank, tip = "unused_parameters", 40, 19
    hypothesis = "Every trainable parameter has an effect on the outputs."
    advice = "call the layer in forward, or remove it; two names for one layer often leave the other unused"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Parameters without a gradient whose change changes no output."""
        _, unused = without_gradient(subject)
        words = f"{len(unused)} of {len(subject.trainable())} trainable parameters have no effect"
        return self.judged(
            not unused, words + (f" ({', '.join(unused[:4])})" if unused else ""), expected="none",
            measured={"unused": len(unused)},
        )  # fmt: skip
