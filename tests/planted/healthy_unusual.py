"""Healthy programs with steps, gradients and streams that few write: no verdict may fail."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from bugs.own_parts import Swish, activated
from plants import adam, digits, digits_program, healthy, mlp
from torch import nn
from torch.autograd import Function
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class UnitGradient(Function):
    """A tanh that gives each example a gradient of one length."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        gradient = gradient * (1 - x.tanh().square())
        return gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-8) / len(x)


@healthy("own backward on purpose: a gradient normalised for each example")
def normalised(seed):
    return digits_program(activated(UnitGradient), seed)


class ClippedSwish(Swish):
    @staticmethod
    def backward(ctx, gradient):
        return Swish.backward(ctx, gradient).clamp(-0.005, 0.005)


@healthy("own backward on purpose: an activation whose gradient is clipped")
def clipped(seed):
    return digits_program(activated(ClippedSwish), seed)


class Spike(Function):
    """1 above the threshold; the gradient of a narrow sigmoid (Zenke & Ganguli 2018)."""

    @staticmethod
    def forward(ctx, potential, threshold):
        ctx.save_for_backward(potential, threshold)
        return (potential >= threshold).float()

    @staticmethod
    def backward(ctx, gradient):
        potential, threshold = ctx.saved_tensors
        near = gradient / (10 * (potential - threshold).abs() + 1).square()
        return near, -near.sum(0)


@healthy("spiking network, surrogate gradients, learnt thresholds")
def spiking(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last, self.threshold = nn.Linear(64, 64), nn.Linear(64, 10), nn.Parameter(torch.ones(64))

        def forward(self, x):
            now, potential, spikes = self.first(x.flatten(1)), torch.zeros(len(x), 64), torch.zeros(len(x), 64)
            for _ in range(8):
                potential = 0.8 * potential + now
                spike = Spike.apply(potential, self.threshold)
                potential = potential * (1 - spike.detach())
                spikes = spikes + spike
            return self.last(spikes / 8)

    return digits_program(Net(), seed)


def projected(seed, project):
    """Adam, and a projection of the matrices before training and after each step."""
    program = digits_program(mlp(), seed)
    model, optimizer = program["model"], program["optimizer"]

    @torch.no_grad()
    def put_back():
        for p in model.parameters():
            if p.ndim > 1:
                p.copy_(project(p))

    def step(batch):
        x, y = batch
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        put_back()
        return loss

    put_back()
    return {**program, "step": step}


@healthy("the largest singular value put back to 1 after each step")
def singular(seed):
    return projected(seed, lambda p: p / torch.linalg.matrix_norm(p, 2))


@healthy("rows whose absolute values are put back to a sum of 4")
def absolute(seed):
    return projected(seed, lambda p: 4 * p / p.abs().sum(1, keepdim=True))


class Drawn(IterableDataset):
    """So many examples drawn with replacement, by each worker with a seed of its own."""

    def __init__(self, x, y, count):
        self.x, self.y, self.count = x, y, count

    def __iter__(self):
        worker = get_worker_info()
        generator = torch.Generator().manual_seed(worker.seed if worker else 0)
        for i in torch.randint(len(self.y), (self.count,), generator=generator):
            yield self.x[i], self.y[i]


@healthy("a stream of examples that each worker draws for itself")
def drawn(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=DataLoader(Drawn(x, y, 700), 64, num_workers=2))


class Imagined(IterableDataset):
    """Made-up examples, 400 from each worker."""

    def __iter__(self):
        worker = get_worker_info()
        generator = torch.Generator().manual_seed(worker.seed if worker else 0)
        for _ in range(400):
            x = torch.randn(16, generator=generator)
            yield x, (x[:4].sum() + 0.1 * torch.randn((), generator=generator)).reshape(1)


@healthy("a stream of made-up examples, as many from each worker")
def imagined(seed):
    model = mlp(16, 1)
    data = DataLoader(Imagined(), 64, num_workers=2)
    return {"model": model, "loss": F.mse_loss, "data": data, "optimizer": adam(model)}
