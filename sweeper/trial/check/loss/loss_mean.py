"""A loss that does not grow with the batch."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.loss.per_example import loop
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class LossMean(Check):
    """A sum makes the learning rate depend on the batch size, and a short last batch count less."""

    name, rank, tip = "loss_mean", 30, 11
    hypothesis = "The loss is a mean over the batch, not a sum."
    advice = 'use reduction="mean", which divides by the number of examples, once'
    needs = ("model_runs", "loss_runs", "loss_broadcast")

    def measure(self, subject: Subject) -> Verdict:
        """The loss of a batch against the mean of its examples' losses."""
        found = loop(subject)
        return self.judged(
            not found.is_sum and not found.is_shrunk,
            f"the loss of {found.count} examples is {found.ratio:.3g} times the mean of theirs",
            expected="1 times (weighted means come near)", measured={"ratio": found.ratio},
        )  # fmt: skip
