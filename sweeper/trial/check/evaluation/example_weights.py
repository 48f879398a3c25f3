"""Every example counts the same."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.evaluation.every_batch import close
from sweeper.trial.check.evaluation.observe import observe
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class ExampleWeights(Check):
    """The mean of batch means gives the few examples of a short last batch too much weight (recipe tip 10)."""

    name, rank, tip = "example_weights", 40, 10
    hypothesis = "The loss of an evaluation does not depend on how examples are cut into batches."
    advice = "weight each batch's mean by its size: total += loss.item() * len(targets); total / examples"
    needs = ("model_runs", "loss_runs", "eval_mode", "every_batch", "dropout_in_eval", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """The loss that it gives on three full batches and a short one, against the mean over examples."""
        found = observe(subject)
        right, given = found.right_loss, found.loss
        means = sum(found.losses) / len(found.losses)
        words = f"it gives {given:.5g} for batches of {', '.join(map(str, found.sizes))}; over examples {right:.5g}"
        if close(given, right):
            return self.passed(words, expected="the mean over examples", measured={"given": given, "right": right})
        why = "the mean of batch means" if close(given, means) else None
        why = why or ("the sum over examples" if close(given, right * sum(found.sizes)) else None)
        why = why or ("the sum over batches" if close(given, sum(found.losses)) else "another number")
        return self.failed(
            f"{words}: {why}", expected="the mean over examples", measured={"given": given, "right": right}
        )
