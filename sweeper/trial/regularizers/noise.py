"""Gaussian noise on training inputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.errors import ConfigError


class Noise:
    """Adds noise of deviation ``std`` to standardised inputs, in training only (Bishop 1995)."""

    def __init__(self, *, std: float) -> None:
        if not 0 < std < math.inf:
            raise ConfigError(
                f"regularizer.noise.std must be > 0, got {std}; try regularizer.noise.std=0.1 or leave noise out"
            )
        self.std = std

    def change_batch(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """ConfigError for inputs that are no real numbers, such as tokens."""
        if not inputs.is_floating_point():
            raise ConfigError(f"regularizer.noise needs real-valued inputs, got {inputs.dtype}; leave noise out")
        noise = torch.randn(inputs.shape, generator=generator, device=inputs.device, dtype=inputs.dtype)
        return inputs + self.std * noise, targets
