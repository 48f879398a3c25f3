"""The whole validation set."""

from __future__ import annotations

from typing import Any

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class ValidationWhole(Check):
    """A loader that drops its last batch, or samples, evaluates another set each time (recipe tip 10)."""

    name, rank, tip = "validation_whole", 70, 10
    hypothesis = "The validation loader gives every example once."
    advice = "use drop_last=False and no sampler for validation"

    def measure(self, subject: Subject) -> Verdict:
        """Examples that come out of the loader against those in its data set."""
        loader = subject.val_loader
        dataset = getattr(loader, "dataset", None)
        if loader is None or dataset is None or not hasattr(dataset, "__len__"):
            raise NotApplicable("validation data did not come as a loader with a data set")
        total = len(dataset)
        size = getattr(loader, "batch_size", None) or 1
        sampled = len(loader.sampler) if hasattr(getattr(loader, "sampler", None), "__len__") else total  # type: ignore[attr-defined]
        if _fixed_part(getattr(loader, "sampler", None), total):
            total = sampled
        given = sampled - (sampled % size if getattr(loader, "drop_last", False) else 0)
        return self.judged(
            given == total, f"it gives {given} of {total} examples", expected="all", measured={"given": given}
        )


def _fixed_part(sampler: Any, total: int) -> bool:
    """A sampler that gives the same part of the data set each time, no example twice, is how a split is often made."""
    if not hasattr(sampler, "__iter__") or not hasattr(sampler, "__len__") or not 0 < len(sampler) < total:
        return False
    first, second = (list(sampler) for _ in range(2))
    return len(set(first)) == len(first) and set(first) == set(second)
