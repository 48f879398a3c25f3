"""Workers that share a stream."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeGuard

import torch
from torch.utils.data import DataLoader, IterableDataset

from sweeper.trial.check.batches import POOL, Batch, flat, unpack
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

Kinds = tuple[Counter[bytes], Counter[bytes]]
SOME = 0.75  # of the examples: a stream may leave out a random part of them


class WorkersShare(Check):
    """Each worker has a copy of an iterable data set; one that does not ask which worker it is gives all, each time."""

    name, rank, tip = "workers_share", 24, 8
    hypothesis = "The workers of a loader share the examples of a stream."
    advice = "in __iter__, give the part of torch.utils.data.get_worker_info(): examples[info.id :: info.num_workers]"

    def measure(self, subject: Subject) -> Verdict:
        """Examples of an epoch with workers against one without; of long streams the workers' first batches.

        Workers that draw at random give more of them too, but not the same ones.
        """
        given = (("training", subject.loader), ("validation", subject.val_loader))
        streams = {name: loader for name, loader in given if _is_stream(loader)}
        if not streams:
            raise NotApplicable("data did not come as a stream that several workers read")
        for name, loader in streams.items():
            alone = DataLoader(loader.dataset, loader.batch_size, collate_fn=loader.collate_fn)
            whole = _count(alone)
            if not whole:
                raise NotApplicable("the stream gives nothing without workers")
            if whole < POOL:
                each = _by_worker(loader)
                found = sum(sum(kinds.values()) for kinds, _ in each)
                words = f"an epoch of {name} gives {found} examples, the data set has {whole}"
                more = found * SOME > whole and _alike(each)
                if more or (found < whole * SOME and not loader.drop_last):
                    return self.failed(words, expected="each once", measured={"given": found, "whole": whole})
            elif _first_alike(loader):
                return self.failed(
                    f"two workers begin {name} with the same examples", expected="each from one worker",
                )  # fmt: skip
        return self.passed(f"workers give each example of {' and '.join(streams)} once")


def _is_stream(loader: Any) -> TypeGuard[DataLoader[Any]]:
    return isinstance(loader, DataLoader) and isinstance(loader.dataset, IterableDataset) and loader.num_workers > 1


def _count(loader: DataLoader[Any]) -> int:
    count = 0
    for raw in loader:
        count += len(unpack(raw))
        if count >= POOL:
            break
    return count


def _by_worker(loader: DataLoader[Any]) -> list[Kinds]:
    """How often each worker gives each example, and each target; batches come from the workers in turn."""
    found: list[Kinds] = [(Counter(), Counter()) for _ in range(loader.num_workers)]
    count = 0
    for number, raw in enumerate(loader):
        batch = unpack(raw)
        targets = [row.tobytes() for row in batch.targets.cpu().reshape(len(batch), -1).numpy()]
        inputs = [row.tobytes() for row in flat(batch.inputs).numpy()]
        kinds, labels = found[number % len(found)]
        kinds.update(x + y for x, y in zip(inputs, targets, strict=True))
        labels.update(targets)
        count += len(batch)
        if count >= POOL * len(found):
            break
    return found


def _alike(found: list[Kinds]) -> bool:
    """Two workers give mostly the same examples, or changed ones with the same targets throughout."""
    for i, (kinds, labels) in enumerate(found):
        for other_kinds, other_labels in found[:i]:
            few = min(sum(kinds.values()), sum(other_kinds.values()))
            if sum((kinds & other_kinds).values()) > SOME * few or (labels == other_labels and len(labels) > 1):
                return True
    return False


def _first_alike(loader: DataLoader[Any]) -> bool:
    """Batches come from the workers in turn."""
    firsts: list[Batch] = []
    for raw in loader:
        firsts.append(unpack(raw))
        if len(firsts) == loader.num_workers:
            break
    rows = [(flat(batch.inputs), batch.targets) for batch in firsts]
    return any(
        torch.equal(x, other_x) and torch.equal(y, other_y)
        for i, (x, y) in enumerate(rows) for other_x, other_y in rows[:i]
    )  # fmt: skip
