"""Workers with random numbers of their own."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from sweeper.trial.check.batches import flat, unpack
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class WorkersDiffer(Check):
    """A generator kept by the data set is copied into each worker: all draw the same, in each epoch again."""

    name, rank, tip = "workers_differ", 25, 26
    hypothesis = "Augmentation draws other numbers in each worker and in each epoch."
    advice = (
        "draw from torch or the global numpy generator, or seed your own from torch.utils.data.get_worker_info().seed"
    )

    def measure(self, subject: Subject) -> Verdict:
        """One example, read by two workers in two epochs."""
        loader = subject.loader
        if not isinstance(loader, DataLoader) or not hasattr(loader.dataset, "__getitem__"):
            raise NotApplicable("data did not come as a torch DataLoader")
        workers = loader.num_workers
        if workers < 2:
            raise NotApplicable("the loader has fewer than two workers")
        probe = DataLoader(
            loader.dataset, batch_sampler=[[0]] * 4, num_workers=2, collate_fn=loader.collate_fn,
            worker_init_fn=loader.worker_init_fn,
        )  # fmt: skip
        epochs = [[flat(unpack(batch).inputs) for batch in probe] for _ in range(2)]
        first, second = epochs
        if all(torch.equal(first[0], other) for other in [*first, *second]):
            raise NotApplicable("the data set draws no random numbers")
        by_worker, by_epoch = torch.equal(first[0], first[1]), torch.equal(first[0], second[0])
        words = [name for name, same in (("two workers", by_worker), ("two epochs", by_epoch)) if same]
        return self.judged(
            not words, f"{' and '.join(words)} draw the same" if words else "workers and epochs draw different numbers",
            expected="different numbers",
        )  # fmt: skip
