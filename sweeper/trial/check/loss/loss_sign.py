"""A loss that falls as answers become right."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import known, small, towards, value
from sweeper.trial.check.outputs import VALUES
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

ROUNDING = 1e-6


class LossSign(Check):
    """With the sign flipped, training makes the answers worse."""

    name, rank, tip = "loss_sign", 40, 11
    hypothesis = "The loss falls as the predictions move towards their targets."
    advice = "turn the sign of the loss"
    needs = ("model_runs", "loss_runs", "softmax_once", "loss_broadcast")

    def measure(self, subject: Subject) -> Verdict:
        """The loss of predictions nearer to the targets and farther from them."""
        batch, outputs = small(subject)
        if subject.kind.name == VALUES:
            if batch.targets.numel() != outputs.numel():
                raise NotApplicable("outputs and targets differ in number")
            if len(torch.unique(known(batch.targets))) == 2:
                raise NotApplicable("targets are two numbers, as labels are; see right_loss")
            right = known(batch.targets).reshape(outputs.shape).to(outputs)
            far = right + 2 * (float(right.std()) or 1.0)
            near_loss, far_loss = value(subject, right, batch), value(subject, far, batch)
            if abs(near_loss - far_loss) <= ROUNDING * max(abs(near_loss), 1.0):
                raise NotApplicable("a shift is nothing to the loss: its order may be turned on purpose")
        else:
            near_loss, far_loss = (value(subject, towards(subject, batch, outputs, s), batch) for s in (2.0, -2.0))
        if near_loss == far_loss or near_loss != near_loss or far_loss != far_loss:
            raise NotApplicable("the loss says the same of right and wrong predictions")
        return self.judged(
            near_loss < far_loss, f"the loss is {near_loss:.4g} for right and {far_loss:.4g} for wrong predictions",
            expected="less for right ones", measured={"right": near_loss, "wrong": far_loss},
        )  # fmt: skip
