"""Healthy programs that look like those of bugs.unseen_*: no verdict may fail."""

from __future__ import annotations

import torch
from bugs.unseen_data import digits_batches, stacked
from plants import digits, digits_program, healthy, mlp
from torch.utils.data import BatchSampler, DataLoader, TensorDataset


@healthy("small batches, classes numbered once")
def small_batches(seed):
    return digits_batches(seed, stacked)


@healthy("each batch has two examples of each class, sorted by class")
def classes_sorted(seed):
    x, y, *_ = digits(seed)

    class Each(BatchSampler):
        def __init__(self):
            self.of = [(y == c).nonzero()[:, 0] for c in range(10)]

        def __iter__(self):
            return (torch.cat([rows[torch.randperm(len(rows))[:2]] for rows in self.of]).tolist() for _ in range(70))

        def __len__(self):
            return 70

    return digits_program(mlp(), seed, data=DataLoader(TensorDataset(x, y), batch_sampler=Each()))


@healthy("nine in ten of class 0, batches of 8")
def rare_classes(seed):
    x, y, vx, vy = digits(seed)
    kept = [(t == 0) | (torch.rand(len(t)) < 0.03) for t in (y, vy)]
    y, vy = y[kept[0]], vy[kept[1]]
    data = DataLoader(TensorDataset(x[kept[0]], y), 8, shuffle=True)
    model = mlp()
    with torch.no_grad():
        model[-1].bias.copy_(torch.bincount(y, minlength=10).clamp(min=1).float().log())
    return digits_program(model, seed, data=data, val=DataLoader(TensorDataset(vx[kept[1]], vy), 8))
