"""Decoupled weight decay for any optimizer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from sweeper.errors import ConfigError
from sweeper.trial.optimizers import decays


class WeightDecay:
    """Shrinks weights by ``1 - lr * rate`` before each step, as AdamW does (Loshchilov and Hutter 2019).

    ``lr`` is read from the parameter group at each step. Biases and norms are exempt (recipe tip 34).
    """

    def __init__(self, *, rate: float) -> None:
        if not 0 < rate < math.inf:
            raise ConfigError(
                f"regularizer.weight_decay.rate must be > 0, got {rate}; "
                "try regularizer.weight_decay.rate=0.01 or leave weight_decay out"
            )
        self.rate = rate

    def change_optimizer(self, optimizer: Optimizer, model: nn.Module) -> Optimizer:
        """Hook the step; ConfigError where the optimizer decays already or no weight would."""
        own = max(group.get("weight_decay", 0.0) for group in optimizer.param_groups)
        if own > 0:
            raise ConfigError(
                f"optimizer.weight_decay must be 0 beside regularizer.weight_decay, got {own}; "
                "set optimizer.weight_decay=0 or leave weight_decay out"
            )
        if not any(decays(p) for group in optimizer.param_groups for p in group["params"]):
            raise ConfigError(
                "regularizer.weight_decay needs weights with two axes, got a model with none; leave it out"
            )
        optimizer.register_step_pre_hook(self._decay)
        return optimizer

    def _decay(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        with torch.no_grad():
            for group in optimizer.param_groups:
                weights = [p for p in group["params"] if p.grad is not None and decays(p)]
                if weights:
                    torch._foreach_mul_(weights, 1 - group["lr"] * self.rate)
