"""Parts that configs name: a data source, models, a regularizer, each with a bug."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import nn

from sweeper.trial.data import Examples, sklearn_tables


def shuffled_digits() -> Examples:
    examples = sklearn_tables.digits()
    return dataclasses.replace(examples, targets=np.random.default_rng(0).permutation(examples.targets))


class HalfOfInput(nn.Module):
    def __init__(self, *, input_shape, outputs, width, depth):
        super().__init__()
        self.half = math.prod(input_shape) // 2
        self.body = nn.Sequential(nn.Linear(self.half, width), nn.ReLU())
        self.head = nn.Linear(width, outputs)

    def forward(self, inputs):
        return self.head(self.body(inputs.flatten(1)[:, : self.half]))


class Constant(nn.Module):
    def __init__(self, *, input_shape, outputs, width, depth):
        super().__init__()
        self.first = nn.Linear(math.prod(input_shape), width)
        self.head = nn.Linear(width, outputs)
        for weight, value in ((self.first.weight, 0.01), (self.first.bias, 0.0), (self.head.weight, 0.01)):
            nn.init.constant_(weight, value)

    def forward(self, inputs):
        return self.head(self.first(inputs.flatten(1)).relu())


class Heavy:
    """A penalty in the loss that dwarfs it."""

    def __init__(self, *, weight):
        self.weight = weight

    def change_loss(self, loss, task):
        return lambda outputs, targets: loss(outputs, targets) + self.weight * (outputs - 1).square().sum(1)


class SameNoise:
    """Noise that ignores the generator it is given."""

    def __init__(self, *, std):
        self.std = std

    def change_batch(self, inputs, targets, generator):
        fixed = torch.Generator().manual_seed(0)
        return inputs + self.std * torch.randn(inputs.shape, generator=fixed), targets
