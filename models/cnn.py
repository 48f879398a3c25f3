"""The small convolutional network."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class CNN(nn.Module):
    """``depth`` blocks of convolution, ReLU and max pooling, the average over positions, a linear head.

    Averaging in place of a dense head keeps the parameters few and takes any image size (recipe tip 31).
    """

    def __init__(self, *, input_shape: tuple[int, ...], outputs: int, width: int, depth: int) -> None:
        super().__init__()
        if len(input_shape) != 3:
            got = f"{input_shape[0]} features" if len(input_shape) == 1 else f"examples of shape {input_shape}"
            raise ValueError(f"cnn needs images (channels, height, width), got {got}; use model=mlp")
        if width < 1:
            raise ValueError(f"width must be >= 1, got {width}; try 32")
        channels, *size = input_shape
        if not 1 <= depth < min(size).bit_length():
            most = min(size).bit_length() - 1
            raise ValueError(f"depth must be in [1, {most}] for images of {size[0]}x{size[1]}, got {depth}; try {most}")
        widths = [channels, *(width * 2**block for block in range(depth))]
        self.blocks = nn.Sequential()
        for fan_in, fan_out in pairwise(widths):
            self.blocks.extend([nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)])
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` to ``(batch, outputs)``."""
        outputs: Tensor = self.head(self.blocks(inputs).mean((2, 3)))
        return outputs
