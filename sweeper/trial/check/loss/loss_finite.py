"""A loss that stays a number when the net is surely wrong."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import small, towards
from sweeper.trial.check.outputs import VALUES
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

SURE = 150.0  # logits apart: a probability of e^-150 is 0 in single precision, and e^150 is infinite


class LossFinite(Check):
    """log(softmax) is minus infinity once a probability rounds to 0; log_softmax is not."""

    name, rank, tip = "loss_finite", 70, 11
    hypothesis = "Loss and gradient are finite even for answers that are surely wrong, or surely right."
    advice = "use log_softmax or cross_entropy (binary_cross_entropy_with_logits) in place of log and exp"
    needs = ("model_runs", "loss_runs", "softmax_once")

    def measure(self, subject: Subject) -> Verdict:
        """Loss and gradient at logits 150 apart."""
        if subject.kind.name == VALUES:
            raise NotApplicable("targets are no classes")
        batch, outputs = small(subject)
        found = {}
        for name, strength in (("wrong", -SURE), ("right", SURE)):
            leaf = towards(subject, batch, outputs, strength).detach().requires_grad_(True)
            loss = subject.loss(leaf, batch.targets)
            (gradient,) = torch.autograd.grad(loss, leaf)
            found[name] = float(loss) if bool(gradient.isfinite().all()) else float("nan")
        finite = all(abs(v) < float("inf") for v in found.values())
        return self.judged(
            finite, f"the loss of surely wrong answers is {found['wrong']:.4g}, of surely right ones "
            f"{found['right']:.3g}",
            expected="finite numbers", measured={k: v for k, v in found.items() if abs(v) < float("inf")},
        )  # fmt: skip
