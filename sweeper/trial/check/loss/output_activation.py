"""The last layer's outputs as the loss and the targets need them."""

from __future__ import annotations

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import shifted
from sweeper.trial.check.outputs import BINARY, CLASSES, PROBABILITIES, RELU, SIGMOID, TANH
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

RANGES = {RELU: (0.0, float("inf")), SIGMOID: (0.0, 1.0), TANH: (-1.0, 1.0)}
SIGMOID_INSTEAD = "end in a sigmoid (binary_cross_entropy_with_logits on raw outputs): each label is a yes or no"
OUT = 0.01  # share of targets out of reach that rounding and outliers don't explain


class OutputActivation(Check):
    """A rectifier on logits can't say that a class is unlikely; a sigmoid can't reach a target of 150."""

    name, rank, tip = "output_activation", 50, 11
    hypothesis = "The last activation leaves every target within reach."
    advice = "remove the activation after the last layer"
    needs = ("model_runs", "loss_runs", "softmax_once")

    def measure(self, subject: Subject) -> Verdict:
        """The last operation of the model, and the targets that it can't reach."""
        family = subject.family.name
        words = f"the model ends in {family}"
        if subject.family.bounds == (1.0, 1.0):
            return self.failed(f"{words} over one output, which is always 1", expected="a sigmoid, or raw logits",
                               advice=SIGMOID_INSTEAD)  # fmt: skip
        if family == PROBABILITIES and subject.kind.name == BINARY:
            return self._softmax(subject, words)
        if family not in RANGES and subject.family.bounds is None:
            return self.passed(words, expected="no bounded activation on logits or values")
        if subject.kind.name == CLASSES:
            return self.judged(
                not shifted(subject), f"{words}, and the loss takes logits", expected="raw logits for such a loss"
            )
        if subject.kind.name == BINARY:
            if family == SIGMOID:
                return self.passed(words, expected="a sigmoid, or raw logits")
            return self.failed(f"{words} for targets of 0 and 1", expected="a sigmoid, or raw logits")
        low, high = subject.family.bounds or RANGES[family]
        targets = subject.pool.targets
        if not targets.is_floating_point():
            raise NotApplicable("targets are no real numbers")
        out = float(((targets < low) | (targets > high)).double().mean())
        return self.judged(
            out <= OUT, f"{words}, {out:.0%} of the targets are outside [{low:g}, {high:g}]", expected="none outside",
            measured={"outside": out},
        )  # fmt: skip

    def _softmax(self, subject: Subject, words: str) -> Verdict:
        """A softmax says that exactly one of its outputs is right."""
        axis = subject.family.axis or 0
        outputs = subject.first_outputs
        targets = subject.batch.targets
        if targets.shape != outputs.shape:
            raise NotApplicable("outputs and targets differ in shape")
        other = float((targets.double().sum(axis) != 1).double().mean())
        return self.judged(
            other <= OUT, f"{words}, and {other:.0%} of the examples have no label or several",
            expected="one label each, or a sigmoid", advice=SIGMOID_INSTEAD, measured={"others": other},
        )  # fmt: skip
