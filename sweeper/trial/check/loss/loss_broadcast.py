"""Each prediction against its own target."""

from __future__ import annotations

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.per_example import compares_outputs, loop
from sweeper.trial.check.loss.shift import examples_mixed, positions_mixed
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class LossBroadcast(Check):
    """(N, 1) outputs against (N) targets broadcast to (N, N): every prediction against every target."""

    name, rank, tip = "loss_broadcast", 20, 20
    hypothesis = "The loss compares each prediction with its own target alone."
    advice = "give outputs and targets one shape: outputs.squeeze(1), or targets.unsqueeze(1)"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """The loss of a batch against a loop over its examples; and whose targets an example's gradient depends on."""
        if (mixed := examples_mixed(subject)) > 1:
            return self.failed(
                f"other targets of one example move the gradients of {mixed} examples",
                expected="of that example alone",
                measured={"examples": mixed},
                advice="outputs are (time, batch, classes) and targets (batch, time): flatten outputs with "
                "targets.T.reshape(-1), or turn the outputs first",
            )  # fmt: skip
        found = loop(subject)
        if (mixed := positions_mixed(subject)) > 1:
            return self.failed(
                f"another class as the target of one position moves the gradients of {mixed} positions",
                expected="of that position alone", measured={"positions": mixed},
                advice="move the axis of the classes with transpose(1, 2) or permute: view and reshape scramble them",
            )  # fmt: skip
        holds = (
            found.is_mean or found.is_sum or found.separable or mixed == 1
        )  # a Dice loss over a batch is none of them
        if not holds and compares_outputs(subject):
            raise NotApplicable("the loss compares the outputs of a batch with each other, as a correlation does")
        shapes = f"outputs {tuple(subject.first_outputs.shape)}, targets {tuple(subject.batch.targets.shape)}"
        return self.judged(
            holds,
            f"the loss of {found.count} examples is {found.whole:.4g}, the mean over a loop {found.mean:.4g} "
            f"({shapes})",
            expected="the same, and no gradient from another example's target",
            measured={"whole": found.whole, "loop": found.mean},
        )  # fmt: skip
