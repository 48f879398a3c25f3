"""A loss that does not grow with the batch."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check
from sweeper.trial.check.loss.per_example import loop
from sweeper.trial.check.loss.probe import small, value
from sweeper.trial.check.outputs import CLASSES, as_family
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

NEAR = 1e-3  # of the divergence


class LossMean(Check):
    """A sum makes the learning rate depend on the batch size, and a short last batch count less."""

    name, rank, tip = "loss_mean", 30, 11
    hypothesis = "The loss is a mean over the batch, not a sum."
    advice = 'use reduction="mean", which divides by the number of examples, once'
    needs = ("model_runs", "loss_runs", "loss_broadcast")

    def measure(self, subject: Subject) -> Verdict:
        """The loss of a batch against the mean of its examples' losses."""
        found = loop(subject)
        if (over := _over_classes(subject)) is not None:
            return self.failed(
                f"the loss is the divergence over {over}, the number of classes",
                expected="the divergence: a sum over the classes, a mean over the batch", measured={"ratio": 1 / over},
                advice='use kl_div(…, reduction="batchmean"), or cross_entropy, which takes class probabilities too',
            )  # fmt: skip
        return self.judged(
            not found.is_sum and not found.is_shrunk,
            f"the loss of {found.count} examples is {found.ratio:.3g} times the mean of theirs",
            expected="1 times (weighted means come near)", measured={"ratio": found.ratio},
        )  # fmt: skip


def _over_classes(subject: Subject) -> int | None:
    """The number of classes where what a right answer takes off the loss of none is as many times too little."""
    if subject.kind.name != CLASSES or subject.batch.targets.ndim > 2 or subject.kind.count < 3:
        return None
    batch, outputs = small(subject)
    targets = batch.targets
    if not targets.is_floating_point():
        targets = torch.nn.functional.one_hot(targets.clamp(min=0).flatten(), subject.kind.count)
    shares = targets.double().clamp(min=1e-9)
    if shares.shape != outputs.shape:
        return None
    right = as_family(shares.log().to(outputs), subject.family)
    none = as_family(torch.zeros_like(outputs), subject.family)
    gained = value(subject, none, batch) - value(subject, right, batch)
    divergence = float((shares * (shares * subject.kind.count).log()).sum(1).mean())
    return subject.kind.count if abs(gained * subject.kind.count / divergence - 1) < NEAR else None
