"""Bugs out of reports, in data: JeasunLok/ResNet-pytorch#1 (splits scaled apart), threads about leaks and labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, cnn, digits, digits_program, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bugs.model import Lambda


@bug("data", "MNIST's statistics in training, 0.5 in validation", "split_scale")
def other_statistics(seed):
    x, y, vx, vy = digits(seed)
    low, high = x.min(), x.max()
    x, vx = (x - low) / (high - low), (vx - low) / (high - low)
    return digits_program(
        cnn(), seed, data=loader((x - 0.1307) / 0.3081, y), val=loader((vx - 0.5) / 0.5, vy, shuffle=False)
    )


@bug("data", "validation's colours in another order", "split_scale")
def bgr(seed):
    x, y, vx, vy = digits(seed)
    tint = torch.tensor([0.9, 0.6, 0.3]).reshape(1, 3, 1, 1)
    low, high = x.min(), x.max()
    x, vx = (F.interpolate((a - low) / (high - low), 16, mode="bilinear") * tint for a in (x, vx))
    return digits_program(cnn(channels=3), seed, data=loader(x, y), val=loader(vx.flip(1), vy, shuffle=False))


class Zipped:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __len__(self):
        return len(self.a)

    def __iter__(self):
        return zip(self.a, self.b, strict=True)


@bug("data", "inputs and labels shuffled by two loaders", "labels_aligned")
def two_loaders(seed):
    x, y, *_ = digits(seed)
    return digits_program(
        mlp(), seed, data=Zipped(DataLoader(x, 64, shuffle=True), DataLoader(y, 64, shuffle=True)), val=None
    )


@bug("data", "a running number of rows sorted by class as a feature", "target_leakage")
def row_number(seed):
    x, y, *_ = table("breast_cancer", seed)
    order = y.argsort()
    x, y = x[order], y[order]
    number = torch.linspace(-1.7, 1.7, len(x))[:, None]
    model = mlp(31, 2)
    return {
        "model": model,
        "loss": nn.CrossEntropyLoss(),
        "data": loader(torch.cat([x, number], 1), y),
        "optimizer": adam(model),
    }


@bug("data", "the value to predict is the series' last input", "target_leakage")
def last_is_target(seed):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(600, 12, 1, generator=generator).cumsum(1)
    series = series / series.std()
    model = Lambda(lambda m, x: m["h"](m["r"](x)[0][:, -1]), r=nn.GRU(1, 16, batch_first=True), h=nn.Linear(16, 1))
    return {
        "model": model,
        "loss": lambda o, t: F.mse_loss(o[:, 0], t),
        "data": loader(series, series[:, -1, 0]),
        "optimizer": adam(model),
    }


@bug("data", "augmentation clamps standardised inputs to [0, 1]", "augmentation_range")
def clamps(seed):
    return digits_program(
        cnn(), seed, augment=lambda x, generator: (x + 0.05 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    )


@bug("data", "mixup that leaves the labels as they are", "augmentation_label")
def mixup_labels(seed):
    def augment(x, y, generator):
        other = torch.randperm(len(x), generator=generator)
        share = torch.rand(len(x), 1, 1, 1, generator=generator)
        return share * x + (1 - share) * x[other], y

    return digits_program(cnn(), seed, augment=augment)


@bug("data", "oversampled before the split", "split_overlap")
def oversampled(seed):
    x, y, vx, vy = table("breast_cancer", seed)
    x, y = torch.cat([x, vx]), torch.cat([y, vy])
    rare = (y == 0).nonzero()[:, 0]
    more = rare[torch.randint(0, len(rare), (200,), generator=torch.Generator().manual_seed(seed))]
    x, y = torch.cat([x, x[more]]), torch.cat([y, y[more]])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    x, y = x[order], y[order]
    n = int(0.8 * len(x))
    model = mlp(30, 2)
    return {
        "model": model,
        "loss": nn.CrossEntropyLoss(),
        "data": loader(x[:n], y[:n]),
        "val": loader(x[n:], y[n:], shuffle=False),
        "optimizer": adam(model),
    }


@bug("data", "a data set that fills one buffer", "labels_aligned", "inputs_vary")
def one_buffer(seed):
    x, y, *_ = digits(seed)
    buffer = torch.zeros(1, 8, 8)

    class Reused(Dataset):
        def __len__(self):
            return 1000

        def __getitem__(self, i):
            buffer.copy_(x[i])
            return buffer, y[i]

    return digits_program(mlp(), seed, data=DataLoader(Reused(), 64, shuffle=True), val=None)
