"""Augmentation that leaves the label true."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST, features, sample
from sweeper.trial.check.pipeline.augmented import in_batches
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

KEPT = 0.5  # of what the nearest plain neighbour gains over chance
DRAWS = 4  # of the others' augmentation beside them as they are: a shift finds others that are shifted alike
MOST = 512


class AugmentationLabel(Check):
    """A 6 turned upside down is a 9; a batch whose inputs alone are permuted has other labels."""

    name, rank, tip = "augmentation_label", 40, 26
    hypothesis = "An augmented example is still recognised as what its label says."
    advice = "choose weaker augmentation, or one that the label survives; change inputs and targets together"
    needs = ("augmentation_range", "labels_aligned")

    def measure(self, subject: Subject) -> Verdict:
        """How often the nearest of the others shares the label: plain among plain, augmented among all there are."""
        pool = sample(subject.pool).first(MOST)
        changed = in_batches(subject, pool)
        if changed.targets.shape != pool.targets.shape:
            raise NotApplicable("augmentation mixes targets")
        if len(pool) < FEWEST:
            raise NotApplicable("there are too few examples")
        raw = features(pool)
        x, a = _scaled(raw, raw), _scaled(features(changed), raw)
        labels, after = subject.labels(pool.targets).cpu().double(), subject.labels(changed.targets).cpu().double()
        if not subject.is_labels:
            raise NotApplicable("targets are values, which augmentation may change")
        plain = labels[torch.cdist(x, x).fill_diagonal_(float("inf")).argmin(1)]
        found = _nearest(a, [(x, labels), *(self._drawn(subject, pool, raw, draw) for draw in range(1, DRAWS + 1))])
        before, now = float((plain == labels).double().mean()), float((found == after).double().mean())
        chance = float(torch.unique(labels, return_counts=True)[1].double().div(len(labels)).square().sum())
        if before - chance < 0.1:
            raise NotApplicable("neighbours say too little about labels")
        return self.judged(
            now - chance >= KEPT * (before - chance),
            f"neighbours share the label of {before:.0%} of plain and {now:.0%} of augmented examples "
            f"({chance:.0%} by chance)",
            expected=f"at least {KEPT:.0%} of the way from chance", measured={"plain": before, "augmented": now},
        )  # fmt: skip

    def _drawn(self, subject: Subject, pool: Batch, raw: Tensor, draw: int) -> tuple[Tensor, Tensor]:
        """The pool augmented once more, and its labels; no row where targets became mixed."""
        changed = in_batches(subject, pool, 100 * draw)
        return _scaled(features(changed), raw), subject.labels(changed.targets).cpu().double()


def _scaled(x: Tensor, by: Tensor) -> Tensor:
    """In deviations of each feature, rare ones counting a fifth of the usual at least: else their noise is all."""
    std = by.std(0)
    return (x - by.mean(0)) / std.clamp(min=0.2 * float(std.square().mean().sqrt()) or 1.0)


def _nearest(examples: Tensor, others: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The label of the nearest among all ``others``, whose row i is example i itself and does not count."""
    distances = torch.stack([torch.cdist(examples, x).fill_diagonal_(float("inf")) for x, _ in others])
    place = distances.permute(1, 0, 2).flatten(1).argmin(1)
    return torch.cat([labels for _, labels in others])[place]
