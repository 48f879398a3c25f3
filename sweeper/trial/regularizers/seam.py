"""The places where regularizers act, as types, and the chosen ones together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim import Optimizer

from sweeper.errors import ConfigError, nearest
from sweeper.trial.build import instantiate
from sweeper.trial.seeds import generator
from sweeper.trial.tasks import Loss, Task


@runtime_checkable
class ActsOnData(Protocol):
    """Changes training batches; validation and test are never touched."""

    def change_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(inputs (batch, \\*shape), targets (batch,)) to the same, on the generator's device."""


@runtime_checkable
class ActsOnModel(Protocol):
    """Changes the model, before it goes to the device and the optimizer sees its parameters."""

    def change_model(self, model: nn.Module) -> nn.Module:
        """Return the model to train; draw no random numbers, so that its initial weights stay."""


@runtime_checkable
class ActsOnLoss(Protocol):
    """Changes the loss that is minimised; validation keeps the task's own."""

    def change_loss(self, loss: Loss, task: Task) -> Loss:
        """Return the loss of each example (batch,)."""


@runtime_checkable
class ActsOnOptimizer(Protocol):
    """Changes the optimizer; what it adds must not need a place in the optimizer's state."""

    def change_optimizer(self, optimizer: Optimizer, model: nn.Module) -> Optimizer:
        """Return the optimizer to train with."""


@runtime_checkable
class ActsBefore(Protocol):
    """Looks at the plan, in the loop's first moment."""

    def training_began(self, epochs: int) -> None:
        """Hear how many epochs are planned."""


@runtime_checkable
class ActsBetween(Protocol):
    """Watches the loop's epochs, numbered from 1."""

    def epoch_ended(self, epoch: int, metrics: Mapping[str, float], model: nn.Module) -> str | None:
        """Return why training should stop, or None."""


@runtime_checkable
class ActsAfter(Protocol):
    """Has the loop's last word."""

    def training_ended(self, model: nn.Module) -> int | None:
        """Set the final weights; return the epoch that they are from, None for the last."""


@runtime_checkable
class Resumable(Protocol):
    """Keeps something from epoch to epoch: tensors, numbers, strings, dicts and lists of these."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from it."""


PLACES = (ActsOnData, ActsOnModel, ActsOnLoss, ActsOnOptimizer, ActsBefore, ActsBetween, ActsAfter)
METHODS = {name for place in PLACES for name in vars(place) if name.startswith(("change_", "epoch_", "training_"))}


class Regularizers:
    """The chosen regularizers, acting one after another sorted by key."""

    def __init__(self, named: Mapping[str, object]) -> None:
        self.named = dict(sorted(named.items()))
        for key, regularizer in self.named.items():
            _check_methods(key, regularizer)
        self._on_data = [(key, r) for key, r in self.named.items() if isinstance(r, ActsOnData)]
        self._generators: dict[str, torch.Generator] = {}

    @property
    def acts_on_data(self) -> bool:
        """True if training batches are changed."""
        return bool(self._on_data)

    def epoch_began(self, seed: int, epoch: int, device: torch.device) -> None:
        """Give each its own random numbers for this epoch, whatever the others draw."""
        for key, _ in self._on_data:
            self._generators[key] = generator(seed, "regularizer", key, epoch, device=device)

    def change_batch(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The batch as the model shall see it in training."""
        for key, regularizer in self._on_data:
            inputs, targets = regularizer.change_batch(inputs, targets, self._generators[key])
        return inputs, targets

    def change_model(self, model: nn.Module) -> nn.Module:
        """The model with what they insert."""
        for regularizer in self.named.values():
            if isinstance(regularizer, ActsOnModel):
                model = regularizer.change_model(model)
        return model

    def change_loss(self, loss: Loss, task: Task) -> Loss:
        """The loss to minimise."""
        for regularizer in self.named.values():
            if isinstance(regularizer, ActsOnLoss):
                loss = regularizer.change_loss(loss, task)
        return loss

    def change_optimizer(self, optimizer: Optimizer, model: nn.Module) -> Optimizer:
        """The optimizer with what they add."""
        for regularizer in self.named.values():
            if isinstance(regularizer, ActsOnOptimizer):
                optimizer = regularizer.change_optimizer(optimizer, model)
        return optimizer

    def training_began(self, epochs: int) -> None:
        """Tell those on the loop the plan."""
        for regularizer in self.named.values():
            if isinstance(regularizer, ActsBefore):
                regularizer.training_began(epochs)

    def epoch_ended(self, epoch: int, metrics: Mapping[str, float], model: nn.Module) -> str | None:
        """The first reason to stop; all of them see the epoch."""
        reasons = [
            f"{key}: {reason}"
            for key, regularizer in self.named.items()
            if isinstance(regularizer, ActsBetween) and (reason := regularizer.epoch_ended(epoch, metrics, model))
        ]
        return reasons[0] if reasons else None

    def training_ended(self, model: nn.Module) -> int | None:
        """Let them set the final weights; the epoch that these are from, None for the last."""
        restored = None
        for regularizer in self.named.values():
            if isinstance(regularizer, ActsAfter):
                restored = regularizer.training_ended(model) or restored
        return restored

    def state_dict(self) -> dict[str, Any]:
        """The state of each that has one."""
        return {key: r.state_dict() for key, r in self.named.items() if isinstance(r, Resumable)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for key, regularizer in self.named.items():
            if isinstance(regularizer, Resumable):
                regularizer.load_state_dict(state[key])


def build_regularizers(node: DictConfig | None) -> Regularizers:
    """The regularizers under ``cfg.regularizer`` (None or absent: none; a null entry: not that one)."""
    chosen = {str(key): entry for key, entry in (node or {}).items() if entry is not None}
    return Regularizers({key: instantiate(entry, f"regularizer.{key}") for key, entry in chosen.items()})


def _check_methods(key: str, regularizer: object) -> None:
    if not isinstance(regularizer, PLACES):
        raise ConfigError(
            f"regularizer.{key} must have a method of {', '.join(sorted(METHODS))}, "
            f"got {type(regularizer).__name__} with none; see sweeper.trial.regularizers"
        )
    for name in dir(regularizer):
        if name.startswith(("change_", "epoch_", "training_")) and name not in METHODS:
            raise ConfigError(
                f"regularizer.{key} has a method {name} that nobody calls{nearest(name, METHODS)}; rename it"
            )
