"""By how many positions a loss compares outputs with later targets."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.graph.sequences import time_first
from sweeper.trial.check.outputs import BINARY, CLASSES
from sweeper.trial.check.subject import Subject

MIXED = 0.05  # of the move of its own gradient


def shift_in_loss(subject: Subject) -> int:
    """The position of a target whose change moves an output's gradient, ahead of that output; 0 for no sequences."""
    if "shift_in_loss" not in subject.facts:
        subject.facts["shift_in_loss"] = _shift(subject)
    found: int = subject.facts["shift_in_loss"]
    return found


def _shift(subject: Subject) -> int:
    targets = subject.batch.first(4).targets
    outputs = subject.first_outputs.detach()[: len(targets)]
    if subject.kind.name != CLASSES or targets.is_floating_point() or targets.ndim != 2 or targets.shape[1] < 4:
        return 0
    length = targets.shape[1]
    position = length // 2
    other = targets.clone()
    other[:, position] = (targets[:, position].clamp(min=0) + 1) % subject.kind.count
    before, after = (time_first(subject.loss_gradient(outputs, there), length) for there in (targets, other))
    if before is None or after is None:
        return 0
    moved = (after - before).abs().flatten(2).sum(2).sum(0)
    return position - int(moved.argmax()) if float(moved.max()) > 0 else 0


def positions_mixed(subject: Subject) -> int:
    """How many positions' outputs have another gradient after one position's target has become another class.

    One in a loss over positions; 0 where there is none. That all are scaled alike, as by a weighted mean, does not
    count, nor what one position adds to sums over all of them, as in a Dice loss.
    """
    targets = subject.batch.first(4).targets
    outputs = subject.first_outputs.detach()[: len(targets)]
    outputs = outputs + torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    axis, other = subject.kind.axis, targets.clone()
    whole = not targets.is_floating_point() and targets.ndim >= 2
    if subject.kind.name == CLASSES and whole and outputs.movedim(axis, -1).shape[:-1] == targets.shape:
        counted = [*(targets >= 0).nonzero()]
        place = tuple(int(i) for i in counted[len(counted) // 2])
        other[place] = (targets[place] + 1) % subject.kind.count
    elif subject.kind.name == BINARY and targets.ndim >= 3 and targets.shape == outputs.shape:
        place = tuple(size // 2 for size in targets.shape)
        other[place] = 1 - other[place]
    else:
        return 0
    gradients = (subject.loss_gradient(outputs, there) for there in (targets, other))
    if subject.kind.name == BINARY:
        before, after = (gradient.reshape(-1, 1) for gradient in gradients)  # one number a position
    else:
        before, after = (gradient.movedim(axis, -1).flatten(0, -2) for gradient in gradients)
    return _moved(before, after, share=MIXED)


def examples_mixed(subject: Subject) -> int:
    """How many examples of outputs that have time first get another gradient after one example's targets changed.

    One in a loss over examples; 0 where outputs have no time first, or the loss takes more than they are.
    """
    outputs, targets = subject.first_outputs.detach(), subject.batch.targets
    count = len(targets)
    if outputs.ndim != 3 or len(outputs) == count or outputs.shape[1] != count or targets.ndim != 2 or count < 3:
        return 0
    if targets.shape[1] != len(outputs):
        return 0
    outputs = outputs + torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    other = targets.clone()
    other[count // 2] = targets[count // 2 - 1].flip(0)
    gradients = (subject.loss_gradient(outputs, there) for there in (targets, other))
    before, after = (gradient.transpose(0, 1).flatten(1) for gradient in gradients)
    return _moved(before, after, share=1e-3)


def _moved(before: Tensor, after: Tensor, *, share: float) -> int:
    """Rows of gradients that moved, beside a scale of all, by more than ``share`` of the one that moved most."""
    sizes = before.norm(dim=1)
    scale = float((after.norm(dim=1) / sizes.clamp(min=1e-30))[sizes > 0].median())
    moved = (after - scale * before).norm(dim=1)
    return int((moved > share * float(moved.max())).sum()) if float(moved.max()) > 0 else 0
