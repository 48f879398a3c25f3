"""The loss of a batch."""

from __future__ import annotations

import math

import torch

from sweeper.errors import words
from sweeper.trial.check.check import Check
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class LossRuns(Check):
    """The loss takes the outputs and the targets and gives a finite number with a gradient."""

    name, rank, tip = "loss_runs", 15, 7
    hypothesis = "The loss of a batch is a finite number."
    advice = "compare shape and type of outputs and targets with what the loss documents"
    needs = ("model_runs", "softmax_once", "labels_in_range")

    def measure(self, subject: Subject) -> Verdict:
        """Compute it, as training does."""
        subject.model.zero_grad(set_to_none=True)
        try:
            loss = subject.batch_loss(subject.batch, training=True)
            if loss.requires_grad:
                torch.autograd.backward(loss)
        except Exception as error:
            return self.failed(
                f"the loss raised {type(error).__name__}: {words(error)[:300]}", expected="a finite number"
            )
        value = float(loss)
        bad = [name for name, p in subject.trainable() if p.grad is not None and not p.grad.isfinite().all()]
        if bad and math.isfinite(value):
            return self.failed(
                f"the loss of a batch is {value:.4g}, but its gradient in {', '.join(bad[:3])} is NaN or infinite",
                expected="a finite gradient", measured={"loss": value},
                advice="look for the root or norm of 0, and for torch.where or a mask around what is undefined: its "
                "gradient is NaN all the same; change the number before the function",
            )  # fmt: skip
        return self.judged(
            bool(torch.isfinite(loss)), f"the loss of a batch is {value:.4g}", expected="a finite number",
            advice="look for a logarithm, root or division in loss and model",
            measured={"loss": value} if value == value else {},
        )  # fmt: skip
