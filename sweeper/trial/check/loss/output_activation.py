"""The last layer's outputs as the loss and the targets need them."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import shifted
from sweeper.trial.check.outputs import BINARY, CLASSES, DISTANCE, PROBABILITIES, RELU, SIGMOID, TANH
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

RANGES = {RELU: (0.0, float("inf")), SIGMOID: (0.0, 1.0), TANH: (-1.0, 1.0)}
SIGMOID_INSTEAD = "end in a sigmoid (binary_cross_entropy_with_logits on raw outputs): each label is a yes or no"
DISTANCES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # to try a loss with
REACHED, AWAY = 0.05, 0.3  # a best loss of one label, and of the other
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
        if family == DISTANCE and subject.kind.name == BINARY and (never := _unreachable(subject)) is not None:
            return self.failed(
                f"the outputs are distances, never below 0; at best the loss of label {never[0]:g} is {never[1]:.3g}",
                expected="near 0 for either label", measured={"best_loss": never[1]},
                advice="give the loss a logit of either sign, as threshold - distance, or use a contrastive loss",
            )  # fmt: skip
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


@torch.no_grad()
def _unreachable(subject: Subject) -> tuple[float, float] | None:
    """(label, its loss at the best of all distances) where that is far from 0, and near 0 for the other label."""
    targets = subject.batch.targets
    best = {}
    for label in torch.unique(targets):
        rows = (targets == label).reshape(len(targets), -1).all(1)
        outputs = subject.first_outputs.detach()[rows]
        losses = [float(subject.loss(torch.full_like(outputs, d), targets[rows])) for d in DISTANCES]
        best[float(label)] = min(losses)
    if len(best) != 2 or min(best.values()) > REACHED:
        return None
    worst = max(best, key=lambda label: best[label])
    return (worst, best[worst]) if best[worst] > AWAY else None
