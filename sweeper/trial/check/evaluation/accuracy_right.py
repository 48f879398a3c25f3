"""An accuracy that is one."""

from __future__ import annotations

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.evaluation.observe import observe
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class AccuracyRight(Check):
    """The largest output over the wrong axis, comparisons that broadcast, division by batches in place of examples."""

    name, rank, tip = "accuracy_right", 50, 13
    hypothesis = "The accuracy is the share of examples whose largest output is their class."
    advice = "count (outputs.argmax(1) == targets).sum() and divide by the number of examples"
    needs = ("model_runs", "loss_runs", "eval_mode", "dropout_in_eval", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """The accuracy that the evaluation gives, as a share or in percent, against a count of our own."""
        found = observe(subject)
        given = next((v for k, v in found.numbers.items() if "acc" in k.lower()), None)
        if given is None or found.accuracy is None:
            raise NotApplicable("the evaluation gives no accuracy")
        right = any(abs(given / unit - found.accuracy) < 1e-4 for unit in (1, 100))
        return self.judged(
            right, f"it gives {given:.4g}, a count {found.accuracy:.4f}", expected="the same",
            measured={"given": given, "right": found.accuracy},
        )  # fmt: skip
