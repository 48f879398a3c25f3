"""Predictions that dropout leaves whole."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import DROPOUT, Subject
from sweeper.trial.verdict import Verdict

DROPPED = 0.04  # of the predictions, exactly 0; a rectifier's zeros are there in evaluation as well


class DropoutOnOutputs(Check):
    """Dropout after the last layer makes logits or values 0 at random: the loss punishes what the net did not say."""

    name, rank, tip = "dropout_on_outputs", 56, 33
    hypothesis = "Dropout acts before the last layer, not on the predictions."
    advice = "put dropout before the last layer"
    needs = ("model_runs", "dropout_in_eval")

    def measure(self, subject: Subject) -> Verdict:
        """Predictions that are exactly 0 in training and not in evaluation."""
        if not any(isinstance(m, DROPOUT) for m in subject.model.modules()):
            raise NotApplicable("the model has no dropout module")
        with torch.no_grad():
            plain, dropped = (subject.outputs(subject.batch.inputs, training=mode) for mode in (False, True))
        share = float(((dropped == 0) & (plain != 0)).double().mean())
        return self.judged(
            share < DROPPED, f"{share:.0%} of the predictions are 0 in training alone", expected="none",
            measured={"share": share},
        )  # fmt: skip
