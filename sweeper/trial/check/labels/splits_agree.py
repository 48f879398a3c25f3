"""Classes that mean the same in both splits."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST, features, on_training, sample, standardised
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import heatmap
from sweeper.trial.verdict import Verdict

LOST = 0.5  # of what a simple model gains over chance on training examples


class SplitsAgree(Check):
    """Class numbers made from a sorted list of what each split holds differ between splits."""

    name, rank, tip = "splits_agree", 20, 3
    hypothesis = "What a simple model learns on training examples holds on validation examples."
    advice = "number the classes once, from one list, for all splits; and join inputs and labels by one index"
    needs = ("finite_inputs", "labels_in_range", "labels_aligned", "split_scale")

    def measure(self, subject: Subject) -> Verdict:
        """The nearest training neighbour's label for each validation example, against neighbours within training."""
        train, val = sample(subject.pool), sample(subject.given_val)
        if len(val) < FEWEST:
            raise NotApplicable(f"there are {len(val)} validation examples, fewer than {FEWEST}")
        raw_train, raw_val = features(train), features(val)
        if raw_train.shape[1] != raw_val.shape[1]:
            raise NotApplicable("the splits have inputs of other shapes")
        x, v = standardised(raw_train), standardised(raw_val, raw_train)
        if on_training(subject).z < 8:
            raise NotApplicable("a simple model says too little to compare splits by")
        labels, wanted = (subject.labels(b.targets).cpu() for b in (train, val))
        seen = labels[torch.cdist(x, x).fill_diagonal_(float("inf")).argmin(1)]
        there = labels[torch.cdist(v, x).argmin(1)]
        if not subject.is_labels:
            inside, outside = _correlation(seen, labels), _correlation(there, wanted)
            error = 3 / len(val) ** 0.5
            return self.judged(
                outside > LOST * inside - error, f"neighbours' values correlate {inside:.2f} in training, "
                f"{outside:.2f} "
                "between the splits", expected="about the same", measured={"within": inside, "between": outside},
            )  # fmt: skip
        inside, outside = (float((a == b).double().mean()) for a, b in ((seen, labels), (there, wanted)))
        chance = float(torch.bincount(labels.long()).double().div(len(labels)).square().sum())
        error = 3 * (inside * (1 - inside) / len(val) + 1 / len(val) ** 2) ** 0.5
        words = f"neighbours share the class in {inside:.0%} of training, {outside:.0%} between the splits"
        count = int(max(labels.max(), wanted.max())) + 1
        table = torch.zeros(count, count, dtype=torch.float64)
        table.index_put_((wanted.long(), there.long()), torch.ones(len(wanted), dtype=torch.float64), accumulate=True)
        holds = outside >= chance + LOST * (inside - chance) - error
        if not holds and float(table.max(1).values.sum()) / len(wanted) > outside + 0.2:
            pairs = [f"{i}→{int(table[i].argmax())}" for i in range(min(count, 8)) if table[i].sum() > 0]
            words += f"; validation classes look like other training classes ({', '.join(pairs)})"
        return self.judged(
            holds, words, expected="about the same", measured={"within": inside, "between": outside},
            pictures=(heatmap(table.numpy(), "Validation class (row) by the class of its training neighbour "
            "(column)"),),
        )  # fmt: skip


def _correlation(a: Tensor, b: Tensor) -> float:
    a, b = a.double() - a.double().mean(), b.double() - b.double().mean()
    return float((a @ b) / (a.norm() * b.norm()).clamp(min=1e-12))
