"""Early stopping on the validation loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from sweeper.errors import ConfigError


class EarlyStopping:
    """Stops after ``patience`` epochs without a new lowest ``val_loss``; restores the best weights.

    Recipe tip 35; Prechelt, "Early Stopping - But When?", 1998.
    """

    def __init__(self, *, patience: int) -> None:
        if patience < 1:
            raise ConfigError(
                f"regularizer.early_stopping.patience must be >= 1 epoch, got {patience}; "
                "try regularizer.early_stopping.patience=5"
            )
        self.patience = patience
        self.best_loss = math.inf
        self.best_epoch = 0
        self.best_weights: dict[str, Any] = {}

    def training_began(self, epochs: int) -> None:
        """ConfigError where patience outlasts the run."""
        if self.patience >= epochs:
            raise ConfigError(
                f"regularizer.early_stopping.patience must be < stage.epochs={epochs} to act, "
                f"got {self.patience}; lower it or raise stage.epochs"
            )

    def epoch_ended(self, epoch: int, metrics: Mapping[str, float], model: nn.Module) -> str | None:
        """Keep a copy of the best weights; say when patience is over."""
        if metrics["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = metrics["val_loss"], epoch
            self.best_weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if epoch - self.best_epoch < self.patience:
            return None
        return f"no val_loss below {self.best_loss:.4g} (epoch {self.best_epoch}) for {self.patience} epochs"

    def training_ended(self, model: nn.Module) -> int | None:
        """Restore the best weights."""
        model.load_state_dict(self.best_weights)
        return self.best_epoch

    def state_dict(self) -> dict[str, Any]:
        """The best so far."""
        return {"best_loss": self.best_loss, "best_epoch": self.best_epoch, "best_weights": self.best_weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the best so far."""
        self.best_loss, self.best_epoch = state["best_loss"], state["best_epoch"]
        self.best_weights = dict(state["best_weights"])
