"""A loss that is at its best where the answer is right."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import known, small, towards, value
from sweeper.trial.check.outputs import BINARY, CLASSES, LOG_PROBABILITIES, RAW, VALUES
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

STRENGTHS = (0.0, 1.0, 2.0, 3.0, 5.0)  # logits of the right class above the others; label smoothing turns near 4.5
ALIKE = 1e-4  # of the loss
SHARE = 1e-4  # of the least class, where labels are smoothed
FLATTER = (0.1, 0.3)  # label smoothing
SPREADS = (0.5, 2.0)  # times the targets' deviation
FEW = 20  # different whole numbers that still look like class numbers


class RightLoss(Check):
    """Squared error on logits punishes confidence; regressing a class number claims that 3 lies between 2 and 4."""

    name, rank, tip = "right_loss", 60, 11
    hypothesis = (
        "The loss fits the task: it falls all the way as the right class gains, or as values near their targets."
    )
    advice = (
        "use cross_entropy for classes, binary_cross_entropy_with_logits for yes or no, mse_loss or l1_loss for values"
    )
    needs = ("model_runs", "loss_runs", "softmax_once", "loss_sign", "loss_broadcast")

    def measure(self, subject: Subject) -> Verdict:
        """The loss along the way from no answer to a sure and right one."""
        batch, outputs = small(subject)
        if subject.kind.name == VALUES:
            return self._values(subject)
        path = [value(subject, towards(subject, batch, outputs, s), batch) for s in STRENGTHS]
        words = "the loss goes " + ", ".join(f"{v:.3g}" for v in path) + " as the right answer gains"
        if any(v != v for v in path):
            raise NotApplicable("the loss of a right answer is no number")
        if max(path) - min(path) < 1e-7:
            return self.failed(
                f"the loss is {path[0]:.3g} whatever the outputs", expected="a loss that depends on the outputs",
                advice="one output needs binary_cross_entropy_with_logits; cross_entropy needs one a class",
            )  # fmt: skip
        several = outputs.ndim == 2 and outputs.shape == batch.targets.shape and outputs.shape[1] > 1
        if subject.kind.name == BINARY and several and _exclusive(subject, batch, outputs):
            return self.failed(
                "the loss has a softmax over the outputs, but examples have several labels at once, or none",
                expected="a loss of each label alone", advice="use binary_cross_entropy_with_logits",
            )  # fmt: skip
        if subject.kind.name == CLASSES and abs(_another(subject, batch, outputs) - path[-2]) <= ALIKE * abs(path[-2]):
            return self.failed(
                f"{words}, and is as much whichever class gains", expected="less for the right class",
                advice="compare the outputs of all classes with the label (cross_entropy), not the largest one's value",
            )  # fmt: skip
        if (flatter := _smoothed_again(subject, batch, outputs)) is not None:
            return self.failed(
                f"every class has a share of each target, and answers that are flatter by {flatter:g} cost less than "
                "the targets themselves",
                expected="least at the targets", measured={"flatter": flatter},
                advice="smooth labels once: in the data, or by label_smoothing in the loss",
            )  # fmt: skip
        return self.judged(
            max(path) <= path[0] + 1e-6 and path[-1] < path[0], words, expected="falling", measured={"end": path[-1]}
        )

    def _values(self, subject: Subject) -> Verdict:
        targets = subject.pool.targets
        batch, outputs = small(subject)
        kinds = torch.unique(targets)
        alone = batch.targets.numel() == outputs.numel()  # else targets are something that the loss may not even use
        few = alone and not targets.is_floating_point() and 2 < len(kinds) <= FEW and len(targets) >= 10 * len(kinds)
        if few and bool((kinds == torch.arange(len(kinds)).to(kinds)).all()):
            return self.failed(
                f"one output regresses whole numbers 0 to {len(kinds) - 1}, which look like class numbers",
                expected="one output a class and cross-entropy (or float targets, if their order counts)",
            )
        if not alone:
            raise NotApplicable("outputs and targets differ in number")
        if not targets.is_floating_point() and _takes_no_fractions(subject, batch, outputs):
            raise NotApplicable("targets are places in the outputs, no values")
        if _of_pairs(subject, batch, outputs):
            raise NotApplicable("the loss of one example does not depend on its outputs: it compares examples")
        right = known(batch.targets).reshape(outputs.shape).to(outputs)
        if len(kinds) == 2 and float(kinds.sum()) == 0:
            path = [value(subject, s * right, batch) for s in STRENGTHS]
            if path[-1] >= 0 and all(after < before for before, after in pairwise(path)):
                return self.passed("the loss falls as outputs take the signs of their targets", expected="falling")
        step = float(right.std()) or 1.0
        at, low, high = (value(subject, right + by * step, batch) for by in (0.0, -1.0, 1.0))
        words = f"the loss is {at:.3g} at the target, {low:.3g} and {high:.3g} one deviation below and above"
        if bool((right >= 0).all()) and value(subject, (right + 0.5).log(), batch) < at:
            return self.passed(words + "; it takes logarithms (counts)", expected="least at the target")
        centre, near = right.mean(0, keepdim=True), 1e-3 * max(abs(at), step**2)
        other = {s: value(subject, centre + s * (right - centre), batch) for s in SPREADS}
        best = min(other, key=lambda s: other[s])
        if at + near < min(low, high) and other[best] + near < at:
            return self.failed(
                f"{words}; with {best:g} times the targets' spread it is {other[best]:.3g}, less than at the target",
                expected="least at the target", measured={"at_target": at},
                advice="look for a term that rewards or punishes how far predictions are apart",
            )  # fmt: skip
        return self.judged(at <= min(low, high), words, expected="least at the target", measured={"at_target": at})


def _takes_no_fractions(subject: Subject, batch: Batch, outputs: Tensor) -> bool:
    given, moved = (value(subject, outputs, Batch(batch.inputs, t)) for t in (batch.targets, batch.targets + 0.25))
    return math.isfinite(given) and not math.isfinite(moved)


def _of_pairs(subject: Subject, batch: Batch, outputs: Tensor) -> bool:
    one = batch.first(1)
    return value(subject, outputs[:1], one) == value(subject, outputs[:1] + torch.ones_like(outputs[:1]), one)


def _another(subject: Subject, batch: Batch, outputs: Tensor) -> float:
    """The loss where another class gains as much as the right one does one step before the last of the way."""
    right = towards(subject, batch, outputs, STRENGTHS[-2])
    return value(subject, right.roll(1, subject.kind.axis), batch)


def _smoothed_again(subject: Subject, batch: Batch, outputs: Tensor) -> float | None:
    """By how much more labels are smoothed in answers that cost less than the targets, which are smoothed already."""
    targets = batch.targets
    if not targets.is_floating_point() or targets.shape != outputs.shape or not float(targets.min()) > SHARE:
        return None
    if subject.kind.name != CLASSES or subject.family.name not in (RAW, LOG_PROBABILITIES):
        return None
    mixed = {by: (1 - by) * targets + by / targets.shape[1] for by in (0.0, *FLATTER)}
    cost = {by: value(subject, shares.log().to(outputs), batch) for by, shares in mixed.items()}
    best = min(FLATTER, key=lambda by: cost[by])
    return best if cost[best] < cost[0.0] - ALIKE * abs(cost[0.0]) else None


def _exclusive(subject: Subject, batch: Batch, outputs: Tensor) -> bool:
    """A number added to all outputs of an example leaves the loss, though its labels do not sum to 1."""
    if subject.family.name != RAW or bool((subject.pool.targets.sum(1) == 1).all()):
        return False
    noise = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)
    before, after = (value(subject, noise + by, batch) for by in (0.0, 3.0))
    return abs(after - before) <= 1e-3 * max(1.0, abs(before))
