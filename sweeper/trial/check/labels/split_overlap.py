"""Validation examples that training has not seen."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import flat, main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST, features, sample
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

NEAR = 0.25  # of the median distance between neighbours within training
STEPS_APART = 3
LONGEST, SHORTEST = 512, 8  # features or steps of what may be a window
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
        if (moved := _moved_windows(subject)) > MORE:
            return self.failed(
                f"{moved:.0%} of validation examples are training examples moved by one to {STEPS_APART} steps",
                expected=f"at most {MORE:.0%}", measured={"moved": moved},
                advice="split a series by time, before it is cut into windows, and leave a gap as long as a window",
            )  # fmt: skip
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


def _moved_windows(subject: Subject) -> float:
    """Share of validation examples that agree with one of training in all but their first or last few steps."""
    train, val = (main(batch.inputs).detach().cpu() for batch in (subject.pool, subject.given_val))
    if train.ndim not in (2, 3) or not train.is_floating_point() or not SHORTEST <= train.shape[1] <= LONGEST:
        return 0.0
    found = torch.zeros(len(val), dtype=torch.bool)
    for by in range(1, STEPS_APART + 1):
        for ours, theirs in ((train[:, by:], val[:, :-by]), (train[:, :-by], val[:, by:])):
            varying = (theirs != theirs[:, :1]).flatten(1).any(1)
            seen = {row.numpy().tobytes() for row in ours.contiguous()}
            found |= varying & torch.tensor([row.numpy().tobytes() in seen for row in theirs.contiguous()])
    return float(found.double().mean())
