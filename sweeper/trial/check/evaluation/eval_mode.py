"""Evaluation in evaluation mode."""

from __future__ import annotations

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.evaluation.observe import observe
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class EvalMode(Check):
    """In training mode dropout is active and batch norm learns from validation data."""

    name, rank, tip = "eval_mode", 10, 10
    hypothesis = "Evaluation runs in evaluation mode and leaves weights and statistics as they are."
    advice = "call model.eval() before the first validation batch"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """The model's mode at each forward pass of the evaluation."""
        try:
            found = observe(subject)
        except OwnCodeFailed as error:
            return self.failed(f"the evaluation raised {error}", expected="a loss", advice="run it on two batches")
        if not found.modes:
            raise NotApplicable("the evaluation does not call this model")
        wrong = sum(found.modes)
        words = f"{wrong} of {len(found.modes)} forward passes are in training mode" + (
            ", and weights or statistics change" if found.changed else ""
        )
        if not subject.modal and not found.changed and wrong:
            return self.passed(f"{words}; no layer differs", expected="none")
        return self.judged(wrong == 0 and not found.changed, words, expected="none", measured={"training": wrong})
