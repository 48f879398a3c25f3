"""One softmax between the last layer and the loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import shifted, small, towards, value
from sweeper.trial.check.outputs import CLASSES, PROBABILITIES, RAW, RELU, SIGMOID, VALUES, Family
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

TWICE = "remove the softmax or sigmoid from the model: this loss has its own"
MISSING = (
    "use cross_entropy (binary_cross_entropy_with_logits), which takes raw outputs, or end the model in "
    "log_softmax (sigmoid)"
)


class SoftmaxOnce(Check):
    """Twice, no answer can be confident and gradients are small; missing, the loss has no floor."""

    name, rank, tip = "softmax_once", 10, 11
    hypothesis = "Exactly one softmax (sigmoid) lies between the last layer and the loss."
    advice = TWICE
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Try the loss with answers surely right, and with a number added to all outputs."""
        if subject.kind.name == VALUES:
            raise NotApplicable("targets are no classes")
        batch, outputs = small(subject)
        if subject.kind.name == CLASSES and outputs.ndim == 2 and _over_batch(subject, batch, outputs):
            return self.failed(
                "numbers added to the outputs by class leave the loss: its softmax runs over the batch",
                expected="a softmax over the classes", advice="write log_softmax(outputs, dim=1), or use cross_entropy",
            )  # fmt: skip
        family = subject.family.name
        names = "softmax" if subject.kind.name == CLASSES else "sigmoid"
        own = shifted(subject) if subject.kind.name == CLASSES else _takes_logits(subject, batch, outputs)
        best = value(subject, towards(subject, batch, outputs, 30.0), batch)
        words = f"the model ends in {family}, a surely right answer costs {best:.3g}"
        ends_so = family == PROBABILITIES if subject.kind.name == CLASSES else family == SIGMOID
        if ends_so and own:
            return self.failed(
                f"{words}, and the loss has a {names} of its own: {names} "
                "twice", expected=f"one {names}, best loss near 0",
                measured={"best_loss": best},
            )  # fmt: skip
        if ends_so and best < 0 and _linear(subject, batch, outputs):
            return self.failed(
                f"{words}: the loss is linear in them, with no floor at 0; it expects their logarithms",
                expected="log-probabilities", advice="end the model in log_softmax(dim=1), or use cross_entropy on raw "
                "outputs", measured={"best_loss": best},
            )  # fmt: skip
        if not ends_so and not own and family in (RAW, RELU) and _wants_probabilities(subject, batch, outputs, best):
            return self.failed(
                f"{words}: the loss expects (log-)probabilities, the {names} is missing",
                expected=f"one {names}, best loss near 0", advice=MISSING, measured={"best_loss": best},
            )  # fmt: skip
        return self.passed(words, expected=f"one {names}", measured={"best_loss": best})


def _linear(subject: Subject, batch: Batch, outputs: Tensor) -> bool:
    """Half way between two answers the loss is half way, too: no logarithm in it."""
    low, high = (towards(subject, batch, outputs, s) for s in (-3.0, 3.0))
    ends, middle = [value(subject, o, batch) for o in (low, high)], value(subject, (low + high) / 2, batch)
    return abs(sum(ends) / 2 - middle) < 1e-4 * max(abs(ends[0] - ends[1]), 1e-9)


def _over_batch(subject: Subject, batch: Batch, outputs: Tensor) -> bool:
    """Adding a number a class leaves the loss, adding one an example does not."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(outputs.shape, generator=generator).to(outputs)
    by_class = torch.randn(1, outputs.shape[1], generator=generator).to(outputs) * 3
    by_example = torch.randn(len(outputs), 1, generator=generator).to(outputs) * 3
    plain, classes, examples = (value(subject, outputs + noise + by, batch) for by in (0.0, by_class, by_example))
    near = 1e-3 * max(1.0, abs(plain))
    return abs(classes - plain) <= near < abs(examples - plain)


def _takes_logits(subject: Subject, batch: Batch, outputs: Tensor) -> bool:
    """A loss of logits still gains far beyond 1; a loss of probabilities raises or is at its best there."""
    one, far = (value(subject, towards(subject, batch, outputs, s, Family(RAW)), batch) for s in (1.0, 20.0))
    return math.isfinite(far) and far < 0.2 * one


def _wants_probabilities(subject: Subject, batch: Batch, outputs: Tensor, best: float) -> bool:
    """Raw outputs are out of the loss's domain, or it falls without a floor."""
    kind = Family("softmax", subject.kind.axis) if subject.kind.name == CLASSES else Family(SIGMOID)
    wrong = towards(subject, batch, outputs, -3.0, Family(RAW))  # has negative numbers, as raw outputs do
    raw, squashed = value(subject, wrong, batch), value(subject, towards(subject, batch, outputs, -3.0, kind), batch)
    if not math.isfinite(raw) and math.isfinite(squashed):
        return True
    right = [value(subject, towards(subject, batch, outputs, 3.0, family), batch) for family in (Family(RAW), kind)]
    if right[0] > raw and right[1] < squashed:  # of raw outputs it rises as they become right
        return True
    path = [value(subject, towards(subject, batch, outputs, s, Family(RAW)), batch) for s in (1.0, 3.0, 10.0)]
    return min(best, *path) < -1.0
