"""What is learnt: the loss, the metrics a person reads, and the best constant answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from torch import Tensor

from sweeper.trial.data import Data

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs (batch, outputs), targets) to the loss of each example (batch,)."""


class Task(Protocol):
    """Losses are in ``loss_unit``; ``metric`` names what :meth:`score` gives, higher is better."""

    loss_unit: str
    metric: str

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each example, (examples,)."""

    def mean_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean of :meth:`losses`, a scalar."""

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """The metric over a whole split."""

    def best_constant(self, targets: Tensor) -> Tensor:
        """The outputs (outputs,) that minimise the loss without looking at inputs (recipe tip 12)."""


class Classification:
    """Softmax over classes, targets (examples,) class numbers; loss in nats."""

    loss_unit = "nats"
    metric = "accuracy"

    def __init__(self, *, classes: int) -> None:
        self.classes = classes

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(outputs, targets, reduction="none")

    def mean_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """In one kernel: 25 of a small step's 600 µs less than the mean of all."""
        return F.cross_entropy(outputs, targets)

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Accuracy, the share of examples whose largest output is their class."""
        return (outputs.argmax(1) == targets).mean(dtype=torch.float64).item()

    def best_constant(self, targets: Tensor) -> Tensor:
        """The log prior; a class without examples counts as half a one, to stay finite."""
        counts = torch.bincount(targets, minlength=self.classes).double().clamp(min=0.5)
        return (counts / counts.sum()).log().float()


class Regression:
    """Targets (examples,) standardised, outputs (examples, 1); loss in training variances of the target."""

    loss_unit = "target variances"
    metric = "r2"

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error."""
        return (outputs.squeeze(1) - targets).square()

    def mean_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error."""
        return self.losses(outputs, targets).mean()

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """R², the share of the split's variance explained; the split's own mean scores 0."""
        spread = (targets.double() - targets.double().mean()).square().sum()
        return (1 - self.losses(outputs.double(), targets.double()).sum() / spread).item()

    def best_constant(self, targets: Tensor) -> Tensor:
        """The mean."""
        return targets.double().mean().float()[None]


def task_of(data: Data) -> Task:
    """Classification where the data name classes, else regression."""
    return Regression() if data.classes is None else Classification(classes=len(data.classes))
