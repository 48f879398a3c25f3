"""Training mode after an evaluation."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.evaluation.observe import observe
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class ModeRestored(Check):
    """After the first evaluation training goes on without dropout and with fixed batch statistics."""

    name, rank, tip = "mode_restored", 20, 10
    hypothesis = "The training step after an evaluation is in training mode."
    advice = "call model.train() at the start of each epoch, or at the end of the evaluation"
    needs = ("model_runs", "loss_runs", "eval_mode")

    def measure(self, subject: Subject) -> Verdict:
        """The model's mode after the evaluation, or in the training step after it."""
        found = observe(subject)
        words = "training mode is " + ("back" if found.restored else "not back") + " after an evaluation"
        if not subject.modal:
            return self.passed(f"{words}; no layer differs", expected="back")
        return self.judged(found.restored, words, expected="back")
