"""No feature that is the target in disguise."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import flat
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

SURE = 0.999  # of the target's variance: classes would lie 60 deviations apart
OTHERS = 0.2  # share of the features that may be so before the task is simply easy


class TargetLeakage(Check):
    """A feature that gives the target away will not be there when it counts."""

    name, rank, tip = "target_leakage", 50, 6
    hypothesis = "No single feature determines the target."
    advice = "remove the feature: it was computed from the target, or recorded after it"
    needs = ("finite_inputs", "labels_in_range", "inputs_vary")

    def measure(self, subject: Subject) -> Verdict:
        """Share of each feature's variance between classes, or its squared rank correlation with the target."""
        x = flat(subject.pool.inputs)
        labels = subject.labels(subject.pool.targets).cpu()
        if len(x) < FEWEST or x.shape[1] < 3:
            raise NotApplicable("there are too few examples or features")
        shares = _between(x, labels) if subject.is_labels else _correlation(x, labels)
        sure = (shares >= SURE).nonzero()[:, 0]
        best = int(shares.argmax())
        top = {f"feature {int(i)}": float(shares[i]) for i in shares.argsort(descending=True)[:10]}
        return self.judged(
            len(sure) == 0 or len(sure) > max(OTHERS * x.shape[1], 1),
            f"feature {best} alone explains {shares[best]:.2%} of the target, {len(sure)} of {x.shape[1]} more "
            f"than {SURE:.1%}",
            expected="none, where others don't", measured={"best": float(shares[best])},
            pictures=(bars(top, "What single features explain", y="share"),),
        )  # fmt: skip


def _between(x: Tensor, labels: Tensor) -> Tensor:
    centred = x - x.mean(0)
    total = centred.square().sum(0)
    within = torch.zeros_like(total)
    for label in torch.unique(labels):
        rows = x[labels == label]
        within += (rows - rows.mean(0)).square().sum(0)
    return torch.where(total > 1e-12, 1 - within / total.clamp(min=1e-12), torch.zeros_like(total))


def _correlation(x: Tensor, values: Tensor) -> Tensor:
    ranks = torch.stack([x.argsort(0).argsort(0).double(), x], 0)
    wanted = torch.stack([values.argsort().argsort().double(), values.double()], 0)
    found = []
    for columns, target in zip(ranks, wanted, strict=True):
        a, b = columns - columns.mean(0), target - target.mean()
        norm = a.norm(dim=0) * b.norm()
        found.append(torch.where(norm > 1e-9, (a * b[:, None]).sum(0) / norm.clamp(min=1e-9), torch.zeros_like(norm)))
    constant = x.std(0) == 0
    return torch.stack(found).square().max(0).values.masked_fill(constant, 0.0)
