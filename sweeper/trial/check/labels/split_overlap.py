"""Validation examples that training has not seen."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import flat
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST, features, sample
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

NEAR = 0.25  # of the median distance between neighbours within training
MORE = 0.01  # of the validation examples, beyond what training shows within itself


class SplitOverlap(Check):
    """An example in both splits makes validation a memory test. Tables of few distinct rows repeat by nature."""

    name, rank, tip = "split_overlap", 30, 2
    hypothesis = "Validation examples are not copies of training examples."
    advice = "split by example (by group, by source) before anything is copied or augmented, and drop duplicates"
    needs = ("finite_inputs", "inputs_vary")

    def measure(self, subject: Subject) -> Verdict:
        """Share of validation examples with a training example at hand that is the same or nearly so."""
        if len(subject.given_val) < 4 or len(subject.pool) < FEWEST:
            raise NotApplicable("there are too few examples")
        train, val = flat(subject.pool.inputs), flat(subject.given_val.inputs)
        if train.shape[1] != val.shape[1]:
            raise NotApplicable("the splits have inputs of other shapes")
        rows = {row.numpy().tobytes() for row in train}
        same = sum(row.numpy().tobytes() in rows for row in val) / len(val)
        repeated = 1 - len(rows) / len(train)
        x, v = features(sample(subject.pool)), features(sample(subject.given_val))
        spread = x.std(0)
        spread = spread.clamp(min=0.3 * float(spread.mean()) + 1e-12)  # noise in what hardly varies must not count
        x, v = x / spread, v / spread
        within = torch.cdist(x, x).fill_diagonal_(float("inf")).min(1).values
        between = torch.cdist(v, x).min(1).values
        near, near_within = (_share(d, float(within.median())) for d in (between, within))
        words = (
            f"{same:.1%} of validation examples are in training, {near:.1%} nearly ({near_within:.1%} within training)"
        )
        return self.judged(
            same <= repeated + MORE and near <= near_within * 1.5 + 2 * MORE, words,
            expected=f"at most {MORE:.0%} more than training repeats itself ({repeated:.1%})",
            measured={"same": same, "near": near},
        )  # fmt: skip


def _share(distances: Tensor, median: float) -> float:
    return float((distances < NEAR * median).double().mean())
