"""Every batch counts."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.evaluation.observe import Observed, observe
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

SAME = 1e-3


class EveryBatch(Check):
    """A loss that is logged after the loop is the last batch's."""

    name, rank, tip = "every_batch", 30, 10
    hypothesis = "The loss of an evaluation is over all its batches."
    advice = "sum the batches' losses times their sizes, and divide by the number of examples after the loop"
    needs = ("model_runs", "loss_runs", "eval_mode", "dropout_in_eval", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """The loss that it gives against that of single batches."""
        found = observe(subject)
        alike = single(found)
        words = f"it gives {found.loss:.5g}, the mean over all examples is {found.right_loss:.5g}"
        return self.judged(
            alike is None, words + (f": that of the {alike} batch "
            "alone" if alike else ""), expected="that of all batches",
            measured={"given": found.loss, "right": found.right_loss},
        )  # fmt: skip


def single(found: Observed) -> str | None:
    """``last`` or ``first`` where the loss given is that batch's own, or its share of the sum."""
    if close(found.loss, found.right_loss):
        return None
    for name, index in (("last", -1), ("first", 0)):
        for divisor in (1, len(found.sizes), sum(found.sizes), sum(found.sizes) / found.sizes[index]):
            if close(found.loss, found.losses[index] / divisor):
                return name
    return None


def close(a: float, b: float) -> bool:
    """The same to within rounding."""
    return abs(a - b) <= SAME * max(abs(a), abs(b))
