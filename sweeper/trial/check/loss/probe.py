"""Predictions to try a loss with: right ones, wrong ones, and the constant ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.loss.shift import shift_in_loss
from sweeper.trial.check.outputs import BINARY, CLASSES, DISTANCE, EMBEDDING, RAW, Family, as_family
from sweeper.trial.check.subject import Subject

EXAMPLES = 16


def small(subject: Subject) -> tuple[Batch, Tensor]:
    """A few examples and the model's raw predictions of them, detached."""
    if not subject.plain_loss:
        raise NotApplicable("the loss takes more than one tensor of predictions, so it can't be probed")
    batch = subject.batch.first(EXAMPLES)
    outputs = subject.first_outputs.detach()[: len(batch)].clone()
    if not _uses_targets(subject, outputs, batch):
        raise NotApplicable("the loss does not look at the targets")
    if subject.kind.name == EMBEDDING:
        raise NotApplicable("the outputs are embeddings, no scores of the classes")
    if subject.kind.name == BINARY and subject.family.name == DISTANCE:
        raise NotApplicable("the outputs are distances, none below 0")
    if subject.kind.name == BINARY and subject.family.name == RAW and bool((outputs >= 0).all()):
        own, other = value(subject, outputs, batch), value(subject, -1 - outputs, batch)
        if math.isfinite(own) and not math.isfinite(other):
            raise NotApplicable("the outputs are distances, none below 0, and the loss takes no others")
    return batch, outputs


def _uses_targets(subject: Subject, outputs: Tensor, batch: Batch) -> bool:
    """Other targets give another loss, or other outputs don't either."""
    before = value(subject, outputs, batch)
    alike = [batch.targets[i : i + 1].expand_as(batch.targets) for i in range(min(len(batch), 4))]
    others = [Batch(batch.inputs, targets) for targets in (*alike, batch.targets.roll(1, 0))]
    if before != before or any(value(subject, outputs, other) != before for other in others):
        return True
    return value(subject, outputs + torch.randn_like(outputs), batch) == before


def towards(subject: Subject, batch: Batch, like: Tensor, strength: float, family: Family | None = None) -> Tensor:
    """Predictions whose last layer says the right class with ``strength`` (0: nothing, negative: the wrong one)."""
    kind, targets = subject.kind, _seen_by_loss(subject, batch.targets)
    family = subject.family if family is None else family
    if kind.name == CLASSES:
        if targets.is_floating_point():
            logits = targets.to(like.dtype) * strength
        else:
            classes = targets.clamp(min=0).reshape(len(targets), -1)
            hot = torch.nn.functional.one_hot(classes, kind.count).to(like.dtype)
            hot = hot.reshape(*(targets.shape if like.ndim == targets.ndim + 1 else targets.shape[:1]), kind.count)
            logits = hot.movedim(-1, kind.axis) * strength
        return as_family(logits.contiguous(), Family(family.name, kind.axis) if family.name != RAW else family)
    if kind.name == BINARY:
        return as_family(((targets.to(like.dtype) * 2 - 1) * strength).reshape(like.shape), family)
    raise NotApplicable("targets are no classes")


def _seen_by_loss(subject: Subject, targets: Tensor) -> Tensor:
    """Targets at the positions of the outputs that the loss compares them with; what rolls over is left out there."""
    shift = shift_in_loss(subject)
    return targets.roll(-shift, 1) if shift else targets


def known(targets: Tensor) -> Tensor:
    """Targets with the mean of the others in place of missing ones (NaN), which the loss leaves out."""
    return torch.where(targets.isnan(), targets.nanmean(), targets) if targets.is_floating_point() else targets


def value(subject: Subject, outputs: Tensor, batch: Batch) -> float:
    """The loss as a number; NaN where it raises, as for a logarithm or a check of its range."""
    try:
        return float(subject.loss(outputs, batch.targets))
    except (RuntimeError, ValueError, IndexError):
        return float("nan")


def shifted(subject: Subject) -> bool:
    """True if adding a number to all outputs of an example leaves the loss: it has a softmax of its own."""
    batch, outputs = small(subject)
    if subject.kind.name != CLASSES:
        return False
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(outputs.shape, generator=generator).to(outputs)
    before, after = (value(subject, outputs + noise + by, batch) for by in (0.0, 3.0))
    return abs(after - before) <= 1e-3 * max(1.0, abs(before))
