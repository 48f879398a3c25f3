"""Columns that are the same ones in both splits."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import WIDEST
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

FEWEST = 30  # examples of validation, and columns that a table has at least
COLUMNS = 4
TOLD = 0.7  # correlation of two halves of training: below it correlations are noise
LOST = 0.5  # of that
CHANCE = 1e-9  # that a sample has one value alone


class ColumnsAgree(Check):
    """Columns in another order, or one that a join lost and a fill made 0, keep mean 0 and deviation 1 in sight."""

    name, rank, tip = "columns_agree", 52, 3
    hypothesis = "Columns of validation vary, and go with each other, as those of training do."
    advice = "select columns by one list of names for all splits, and look at those of a join for missing rows"
    needs = ("finite_inputs", "split_scale")

    def measure(self, subject: Subject) -> Verdict:
        """Correlations between columns in both splits, and columns that are 0 in validation alone."""
        train, val = (main(b.inputs).detach().double().cpu() for b in (subject.pool, subject.given_val))
        if train.ndim != 2 or train.shape[1:] != val.shape[1:] or not COLUMNS <= train.shape[1] <= WIDEST:
            raise NotApplicable("inputs are no table")
        if not main(subject.pool.inputs).is_floating_point() or min(len(val), len(train) // 2) < FEWEST:
            raise NotApplicable("inputs are no real numbers, or too few")
        shares = (train == 0).double().mean(0)
        lost = ((val == 0).all(0) & (shares ** len(val) < CHANCE)).nonzero()[:, 0].tolist()
        if lost:
            return self.failed(
                f"column {lost[0]} is 0 in all {len(val)} validation examples, and in {float(shares[lost[0]]):.0%} of "
                "training",
                expected="one that varies", measured={"lost": len(lost)},
            )  # fmt: skip
        first, second = train[::2], train[1::2]
        varying = torch.stack([part.std(0) > 1e-9 for part in (first, second, val)]).all(0)
        if int(varying.sum()) < COLUMNS:
            raise NotApplicable("fewer than four columns vary")
        within, between = (_alike(first[:, varying], other[:, varying]) for other in (second[: len(val)], val))
        if within < TOLD:
            raise NotApplicable("columns of training hardly go with each other")
        return self.judged(
            between > LOST * within,
            f"the columns' correlations agree by {between:.2f} between the splits, by {within:.2f} within training",
            expected="about the same", measured={"within": within, "between": between},
        )  # fmt: skip


def _alike(a: Tensor, b: Tensor) -> float:
    """How the correlations between columns in one sample correlate with those in another."""
    above = torch.ones(a.shape[1], a.shape[1]).triu(1).bool()
    pairs = torch.stack([torch.corrcoef(part.T)[above] for part in (a, b)])
    return float(torch.corrcoef(pairs)[0, 1])
