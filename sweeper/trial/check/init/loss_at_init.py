"""The first loss."""

from __future__ import annotations

import math

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.init.first_loss import EXAMPLES, first_loss
from sweeper.trial.check.outputs import VALUES
from sweeper.trial.check.subject import Subject, no_dropout
from sweeper.trial.verdict import Verdict

NATS = 0.9  # logits of deviation s cost about s²/2 more than even ones; torch's own layers give s = 0.2 to 0.8, LeCun's
# and Glorot's 1, of which single draws cost 0.85
SMALLER = 0.1  # of the loss: what smaller weights take off it at least where their size is the reason
RATIO = 2.5  # the same for squared errors: outputs as large as the targets double the loss


class LossAtInit(Check):
    """An untrained network has no reason to prefer an answer: ln C for softmax (recipe tip 11)."""

    name, rank, tip = "loss_at_init", 70, 11
    hypothesis = "The first loss is that of an answer without knowledge: ln C nats for C classes."
    advice = "scale the last layer's weights down (by 0.1): large outputs at the start are sure and wrong"
    needs = (*("model_runs", "loss_runs", "softmax_once", "loss_sign", "right_loss", "loss_broadcast", "loss_mean"),
             "output_activation", "regularizer_share", "last_bias", "input_scale", "init_scale")  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """The first loss against those of zero outputs and of the last bias alone."""
        found = first_loss(subject)
        ignorant = max(found.zero, found.bias)
        if not math.isfinite(ignorant):
            raise NotApplicable(f"the loss of outputs 0, or of the last bias alone, is {ignorant:.3g}")
        if subject.kind.name == VALUES and min(ignorant, found.best) < 0:
            raise NotApplicable("the loss may be negative, so that no ratio of two says how good they are")
        words = (
            f"the first loss is {found.first:.4g}, of outputs 0 {found.zero:.4g}, of the best constant {found.best:.4g}"
        )
        measured = {"loss": found.first, "zero": found.zero, "best_constant": found.best}
        limit = RATIO * ignorant + 1e-06 if subject.kind.name == VALUES else ignorant + NATS
        if found.first > limit and (smaller := _with_smaller_weights(subject)) > found.first - SMALLER * abs(
            found.first
        ):
            return self.passed(
                f"{words}; it would be {smaller:.4g} with weights a tenth as large (cosines)", measured=measured
            )
        return self.judged(
            found.first <= limit, words, expected=f"{found.best:.4g} to {limit:.4g}, less only for a trained model",
            measured=measured,
        )  # fmt: skip


@torch.no_grad()
def _with_smaller_weights(subject: Subject) -> float:
    """The first loss of a tenth of every weight: the same where outputs are cosines, whose scale is meant."""
    for _, parameter in subject.trainable():
        if parameter.ndim >= 2:
            parameter.mul_(0.1)
    no_dropout(subject.model)
    return float(subject.batch_loss(subject.pool.first(EXAMPLES), training=True))
