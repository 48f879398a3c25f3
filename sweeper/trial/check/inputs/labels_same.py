"""A class with one number in all batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.trial.check.batches import gather
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import CLASSES
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

SHUFFLES = 10
SURE = 20  # all batches would be alike by chance with probability e^-20
EXAMPLES = 512


class LabelsSame(Check):
    """Classes that are numbered anew in each batch have no gaps there, or first appear in the order 0, 1, 2, …."""

    name, rank, tip = "labels_same", 70, 3
    hypothesis = "Class numbers are not made within the batch."
    advice = "number the classes once, from one list of all classes, not in collate_fn, a batch or a file"
    needs = ("labels_in_range",)

    def measure(self, subject: Subject) -> Verdict:
        """Batches whose labels have gaps, and those in another order, against the same labels shuffled."""
        if subject.loader is None:
            raise NotApplicable("data did not come in batches")
        if subject.kind.name != CLASSES or subject.batch.targets.is_floating_point():
            raise NotApplicable("targets are no class numbers")
        batches = [subject.labels(b.targets).cpu() for b in gather(subject.loader, most=EXAMPLES)[0]]
        if len(batches) < 3 or any(int(b.min()) < 0 for b in batches):
            raise NotApplicable("there are too few batches, or labels that are ignored")
        gaps, turned = sum(map(_gap, batches)), sum(map(_turned, batches))
        whole, sizes = torch.cat(batches), [len(b) for b in batches]
        generator = torch.Generator().manual_seed(0)
        shuffled = [torch.split(whole[torch.randperm(len(whole), generator=generator)], sizes) for _ in range(SHUFFLES)]
        by_chance = [sum(sum(map(each, parts)) for parts in shuffled) / SHUFFLES for each in (_gap, _turned)]
        sorted_within = all(bool((b[1:] >= b[:-1]).all()) for b in batches)
        all_there = all(len(torch.unique(b)) == len(torch.unique(whole)) for b in batches)
        anew = (gaps == 0 and _surprise(by_chance[0], len(batches)) > SURE and not all_there) or (
            turned == 0 and _surprise(by_chance[1], len(batches)) > SURE and not sorted_within
        )
        return self.judged(
            not anew,
            f"{gaps} of {len(batches)} batches lack a class below their highest, {by_chance[0]:.3g} by chance; in "
            f"{turned} classes first appear in another order than 0, 1, 2, …, {by_chance[1]:.3g} by chance",
            expected="about what chance has", measured={"gaps": gaps, "turned": turned},
        )  # fmt: skip


def _surprise(by_chance: float, count: int) -> float:
    """Minus the logarithm of the probability that none of the batches is so, where by chance so many are."""
    return -count * math.log(1 - by_chance / count + 1 / (SHUFFLES * count))


def _gap(labels: Tensor) -> bool:
    """A class below the highest one is absent."""
    return len(torch.unique(labels)) <= int(labels.max())


def _turned(labels: Tensor) -> bool:
    """A class first appears before a lower one does."""
    highest = labels.cummax(0).values
    before = torch.cat([labels.new_tensor([-1]), highest[:-1]])
    return bool((labels > before + 1).any())
