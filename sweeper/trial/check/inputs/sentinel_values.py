"""Missing values that are not taken for numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

FEWEST = 3  # examples with the value, and
LEAST = 0.005  # of all: a typing error happens once
KINDS = 20  # different other values: below it the column is a code
FAR = 10.0  # ranges of all other values, from the nearest of them


class SentinelValues(Check):
    """-999 for "missing" is the largest number of its column: standardised, all others become nearly one value."""

    name, rank, tip = "sentinel_values", 38, 3
    hypothesis = "No column of a table has one value, again and again, far beyond all others."
    advice = "read such values as missing (na_values=[-999]), fill in the column's mean and add a column that says so"
    needs = ("finite_inputs",)

    def measure(self, subject: Subject) -> Verdict:
        """The distance of each column's least and greatest value from the others, in their range."""
        values = main(subject.pool.inputs).detach().double().cpu()
        if values.ndim != 2 or not main(subject.pool.inputs).is_floating_point() or len(values) < 2 * KINDS:
            raise NotApplicable("inputs are no table")
        found = [(*_farthest(column[column.isfinite()]), i) for i, column in enumerate(values.T)]
        far, count, number = max(found, default=(0.0, 0, 0))
        return self.judged(
            far <= FAR,
            f"the value of column {number} that {count} examples have is {far:.3g} ranges from all others"
            if far > 0 else "no value of many examples lies beyond the others",
            expected=f"at most {FAR:g}", measured={"far": far},
        )  # fmt: skip


def _farthest(column: Tensor) -> tuple[float, int]:
    """(ranges of the others between an end's value and the nearest of them, examples that have it)."""
    kinds, counts = torch.unique(column, return_counts=True)
    if len(kinds) <= KINDS:
        return 0.0, 0
    least = max(FEWEST, LEAST * len(column))
    low, high = (int(c) for c in (counts[0], counts[-1]))
    found = [
        (float((kinds[1] - kinds[0]) / (kinds[-1] - kinds[1])), low),
        (float((kinds[-1] - kinds[-2]) / (kinds[-2] - kinds[0])), high),
    ]
    return max((each for each in found if each[1] >= least), default=(0.0, 0))
