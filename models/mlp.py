"""The multilayer perceptron."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """``depth`` hidden layers of ``width`` ReLU units over the flattened input."""

    def __init__(self, *, input_shape: tuple[int, ...], outputs: int, width: int, depth: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be >= 1, got {width}; try 128")
        if depth < 1:
            raise ValueError(f"depth must be >= 1, got {depth}; use model=linear for no hidden layer")
        sizes = [math.prod(input_shape), *[width] * depth]
        self.hidden = nn.Sequential()
        for fan_in, fan_out in pairwise(sizes):
            self.hidden.extend([nn.Linear(fan_in, fan_out), nn.ReLU()])
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, *input_shape)`` to ``(batch, outputs)``."""
        outputs: Tensor = self.head(self.hidden(inputs.flatten(1)))
        return outputs
