"""Validation data without augmentation."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import flat, gather
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class ValidationPlain(Check):
    """What is measured on another draw of noise each time can't be compared between epochs."""

    name, rank, tip = "validation_plain", 60, 10
    hypothesis = "Validation examples are the same each time."
    advice = "give the validation split a transform of its own, without augmentation"

    def measure(self, subject: Subject) -> Verdict:
        """The validation loader read twice, whatever its order."""
        if subject.val_loader is None or isinstance(subject.val_loader, (list, tuple)):
            raise NotApplicable("validation data did not come as a loader")
        first, second = (
            _sorted(gather(subject.val_loader, most=10**9 if _small(subject) else 512)[1].inputs) for _ in range(2)
        )
        if first.shape != second.shape:
            raise NotApplicable("batches are padded to other lengths")
        difference = float((first - second).abs().max())
        return self.judged(
            difference == 0, f"validation inputs differ by up to {difference:.3g} when read twice", expected="0",
            measured={"difference": difference},
        )  # fmt: skip


def _small(subject: Subject) -> bool:
    dataset = getattr(subject.val_loader, "dataset", None)
    return dataset is not None and hasattr(dataset, "__len__") and len(dataset) <= 4096


def _sorted(inputs: object) -> torch.Tensor:
    x = flat(inputs)
    return x[torch.argsort(x @ torch.linspace(1, 2, x.shape[1], dtype=x.dtype))]
