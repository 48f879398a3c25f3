"""What augmentation makes of a batch."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch, join
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.own_code import own_code
from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything


def augmented(subject: Subject, batch: Batch, epoch: int) -> Batch:
    """The batch as training sees it in an epoch; NotApplicable without augmentation."""
    function = subject.augment
    if function is None:
        raise NotApplicable("there is no augmentation")
    seed_everything(subject.seed, "augment", epoch)
    known: dict[str, Any] = {
        "epoch": epoch,
        "generator": torch.Generator(batch.targets.device).manual_seed(subject.seed + epoch),
    }
    parameters = inspect.signature(function).parameters
    extra = {name: value for name, value in known.items() if name in parameters}
    needed = [p for n, p in parameters.items() if n not in extra and p.default is p.empty
              and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]  # fmt: skip
    inputs = batch.inputs.clone() if isinstance(batch.inputs, Tensor) else batch.inputs
    with own_code():
        result = function(inputs, batch.targets.clone(), **extra) if len(needed) >= 2 else function(inputs, **extra)
    if isinstance(result, tuple) and len(result) == 2 and len(needed) >= 2:
        return Batch(result[0], result[1])
    return Batch(result, batch.targets)


def in_batches(subject: Subject, pool: Batch, first: int = 0) -> Batch:
    """Many examples, augmented a batch at a time, each as in another epoch."""
    rows = torch.split(torch.arange(len(pool)), 128)
    return join([augmented(subject, pool.take(part), first + number + 1) for number, part in enumerate(rows)])
