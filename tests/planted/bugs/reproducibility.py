from __future__ import annotations

import numpy as np
import torch
from plants import bug, digits, digits_program, mlp
from torch import nn


@bug("reproducibility", "unseeded generator (noise in the model)", "same_seed")
def unseeded_noise(seed):
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.rng = mlp(), np.random.default_rng()

        def forward(self, x):
            if self.training:
                x = x + 0.1 * torch.tensor(self.rng.normal(size=x.shape), dtype=x.dtype)
            return self.net(x)

    return digits_program(Noisy(), seed)


@bug("reproducibility", "unseeded generator (initial weights)", "same_start")
def unseeded_weights(seed):
    def build():
        model = mlp()
        rng = np.random.default_rng()
        with torch.no_grad():
            model[1].weight.copy_(torch.tensor(rng.normal(0, 0.1, (64, 64))))
        return model

    return digits_program(build(), seed, build=build)


@bug("reproducibility", "unseeded generator (order of examples)", "same_data")
def unseeded_order(seed):
    x, y, *_ = digits(seed)
    rng = np.random.default_rng()

    class Batches:
        def __len__(self):
            return len(y) // 64

        def __iter__(self):
            order = torch.tensor(rng.permutation(len(y)))
            return ((x[part], y[part]) for part in order.split(64))

    return digits_program(mlp(), seed, data=Batches())
