"""Training examples in an order that changes."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch, flat, gather
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

LOOKED_AT = 256
SAME = 0.99
ALIKE = 0.5  # correlation of what examples of a class are like, at the same places of two epochs


class Shuffled(Check):
    """The same order in each epoch lets neighbours pull together, and sorted labels make each batch one class."""

    name, rank, tip = "shuffled", 10, 8
    hypothesis = "The training loader gives another order in each epoch."
    advice = "use DataLoader(..., shuffle=True) for training"

    def measure(self, subject: Subject) -> Verdict:
        """The first examples of two epochs."""
        loader = subject.loader
        if loader is None or not hasattr(loader, "__len__") or isinstance(loader, (list, tuple)):
            raise NotApplicable("data did not come as a loader")
        if len(subject.pool) < 16:
            raise NotApplicable("there are too few examples")
        batches = [gather(loader, most=LOOKED_AT)[1] for _ in range(2)]
        first, second = map(_key, batches)
        same = float((first[: len(second)] == second[: len(first)]).double().mean())
        if same >= SAME and (alike := _within_classes(*batches)) is not None and alike < ALIKE:
            return self.passed("the labels come in the same order, other examples of them in each epoch")
        return self.judged(
            same < SAME, f"{same:.0%} of the first {len(first)} examples are the same in two epochs",
            expected="few", measured={"same": same},
        )  # fmt: skip


def _within_classes(first: Batch, second: Batch) -> float | None:
    """How examples of two epochs correlate beyond their class; None where no class has several."""
    if len(first) != len(second) or first.targets.ndim != 1:
        return None
    classes = torch.unique(first.targets, return_inverse=True)[1].cpu()
    counts = torch.bincount(classes)
    if int(counts.max()) == 1:
        return None
    means = torch.stack([flat(b.inputs).mean(1) for b in (first, second)])
    of_class = torch.zeros(2, len(counts), dtype=means.dtype).index_add_(1, classes, means) / counts
    rest = means - of_class[:, classes]
    return float(torch.cosine_similarity(rest[0], rest[1], 0)) if bool(rest.any(1).all()) else None


def _key(batch: object) -> Tensor:
    """A number an example that noise on the inputs does not hide: inputs rounded, with the target."""
    inputs, targets = batch.inputs, batch.targets  # type: ignore[attr-defined]
    numbers = targets.reshape(len(targets), -1).double().cpu().sum(1)
    x = flat(inputs)
    spread = float(x.mean(1).std()) or 1.0
    if len(torch.unique(numbers)) > 8:
        return torch.as_tensor(numbers)
    return torch.as_tensor(numbers + (x.mean(1) / spread * 2).round() * 1000)
