"""A batch's loss beside the losses of its examples alone: the vectorised code against its loop (recipe tip 20)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.loss.probe import known, small
from sweeper.trial.check.outputs import RAW, VALUES
from sweeper.trial.check.subject import Subject

SAME = 1e-3


@dataclass(frozen=True)
class Loop:
    """``whole``: the loss of ``count`` examples; ``mean`` of their own; ``separable``: gradients are, too."""

    count: int
    whole: float
    mean: float
    half_ratio: float
    separable: bool

    @property
    def ratio(self) -> float:
        """1 for a mean, the number of examples for a sum."""
        return self.whole / self.mean

    @property
    def is_mean(self) -> bool:
        """The batch's loss is the mean of its examples' losses."""
        return abs(self.ratio - 1) < SAME

    @property
    def is_shrunk(self) -> bool:
        """It is the mean divided by the number of examples again."""
        return self.count > 1 and abs(self.ratio * self.count - 1) < SAME

    @property
    def is_sum(self) -> bool:
        """It grows in proportion to the batch."""
        return abs(self.ratio - self.count) < SAME * self.count or (
            self.separable and abs(self.ratio / self.half_ratio - 2) < 0.01 and self.ratio > 1.5
        )


def loop(subject: Subject) -> Loop:
    """Measure it once; NotApplicable where the loss of an example alone has no meaning."""
    if "loop" not in subject.facts:
        subject.facts["loop"] = _loop(subject)
    found: Loop = subject.facts["loop"]
    return found


def _loop(subject: Subject) -> Loop:
    batch, outputs = small(subject)
    outputs = _spread(subject, batch, outputs)
    count = len(batch) - len(batch) % 2
    if count < 4:
        raise NotApplicable("the batch has fewer than four examples")
    singles = [_loss(subject, outputs, batch, slice(i, i + 1)) for i in range(count)]
    whole = _loss(subject, outputs, batch, slice(0, count))
    half = _loss(subject, outputs, batch, slice(0, count // 2))
    mean, half_mean = sum(singles) / count, sum(singles[: count // 2]) / (count // 2)
    if abs(mean) < 1e-9 or abs(half_mean) < 1e-9:
        raise NotApplicable("the loss is 0 at the start")
    return Loop(count, whole, mean, half / half_mean, _separable(subject, outputs[:count], batch.first(count)))


def _spread(subject: Subject, batch: Batch, outputs: Tensor) -> Tensor:
    """Values that differ as targets do: of answers that are all alike a loop and a broadcast say nearly the same."""
    if subject.kind.name != VALUES or subject.family.name != RAW:
        return outputs
    noise = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    targets = known(batch.targets).double()
    centre, scale = float(targets.mean()), float(targets.std()) or 1.0
    return centre + scale * noise


def compares_outputs(subject: Subject) -> bool:
    """Other outputs of the last examples turn the first ones' gradients: a correlation, or a loss over pairs.

    A broadcast compares each output with all targets, not with other outputs.
    """
    if subject.kind.name != VALUES:
        return False
    batch, outputs = small(subject)
    outputs = outputs + torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    kept = len(batch) // 2
    others = [torch.cat([outputs[:kept], end]) for end in (outputs[kept:].flip(0) + 0.5, outputs[kept:] * 2)]
    first, *rest = (subject.loss_gradient(o, batch.targets)[:kept].flatten() for o in (outputs, *others))
    for second in rest:
        scale = float(first @ second) / max(float(first @ first), 1e-30)
        if float((second - scale * first).norm()) > SAME * float(second.norm()) + 1e-12:
            return True
    return False


def _loss(subject: Subject, outputs: Tensor, batch: Batch, rows: slice) -> float:
    return float(subject.loss(outputs[rows], batch.targets[rows]))


def _separable(subject: Subject, outputs: Tensor, batch: Batch) -> bool:
    """Another target of the last examples leaves the direction of the first ones' gradients (a weight may scale it)."""
    kept = len(batch) // 2
    targets = batch.targets.clone()
    targets[kept:] = targets[kept:].flip(0)
    if targets.is_floating_point():
        ends = [end.expand_as(targets[kept:]) for end in (targets.amin(0), targets.amax(0))]  # within their range
        others = [torch.cat([targets[:kept], end]) for end in ends]
    else:
        others = [torch.cat([targets[:kept], targets[:kept]])]
    first, *rest = (subject.loss_gradient(outputs, t)[:kept].flatten() for t in (targets, *others))
    for second in rest:
        scale = max(float(first @ second) / max(float(first @ first), 1e-30), 0.0)
        if float((second - scale * first).norm()) > 1e-3 * float(second.norm()) + 1e-12:
            return False
    return True
