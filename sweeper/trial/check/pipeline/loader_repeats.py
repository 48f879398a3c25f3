"""A loader for more than one epoch."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import DataLoader, IterableDataset

from sweeper.trial.check.batches import length
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class LoaderRepeats(Check):
    """An object that keeps one iterator is empty in the second epoch, which then trains on nothing, silently."""

    name, rank, tip = "loader_repeats", 2, 8
    hypothesis = "The training loader gives batches in each epoch."
    advice = "make the iterator anew in __iter__: return iter(self.loader), not one that __init__ has made"

    def measure(self, subject: Subject) -> Verdict:
        """The first batch of another epoch."""
        loader = subject.loader
        if loader is None or isinstance(loader, Iterator) or length(loader) is None:
            raise NotApplicable("data did not come as a loader of a known length")
        if isinstance(loader, DataLoader) and (loader.num_workers or not isinstance(loader.dataset, IterableDataset)):
            raise NotApplicable("DataLoader begins anew in each epoch")
        there = next(iter(loader), None) is not None
        return self.judged(
            there, "another epoch begins with a batch" if there else "another epoch gives no batch", expected="a batch"
        )
