"""The linear model."""

from __future__ import annotations

import math

from torch import Tensor, nn


class Linear(nn.Module):
    """One affine map of the flattened input: softmax or linear regression, by the loss it meets."""

    def __init__(self, *, input_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(math.prod(input_shape), outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, *input_shape)`` to ``(batch, outputs)``."""
        outputs: Tensor = self.head(inputs.flatten(1))
        return outputs
