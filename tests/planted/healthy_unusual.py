"""Healthy programs with steps, gradients and streams that few write: no verdict may fail."""

from __future__ import annotations

import copy
from collections import deque

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from bugs.own_parts import Swish, activated, changing
from plants import adam, digits, digits_program, healthy, mlp
from torch import nn
from torch.autograd import Function
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, get_worker_info


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


@healthy("the largest singular value put back to 1 after each step")
def singular(seed):
    return changing(seed, lambda p: p / torch.linalg.matrix_norm(p, 2), before=True)


@healthy("rows whose absolute values are put back to a sum of 4")
def absolute(seed):
    return changing(seed, lambda p: 4 * p / p.abs().sum(1, keepdim=True), before=True)


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


def kept(seed, make):
    """``make(model, optimizer)`` gives the step, which keeps something from call to call."""
    program = digits_program(mlp(), seed)
    return {**program, "step": make(program["model"], program["optimizer"])}


def update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@healthy("a mean teacher in the step, heeded more with each call")
def mean_teacher(seed):
    def make(model, optimizer):
        teacher, calls = copy.deepcopy(model).requires_grad_(False), 0

        def step(batch):
            nonlocal calls
            x, y = batch
            out = model(x)
            agreement = F.mse_loss(out.softmax(1), teacher(x).softmax(1))
            loss = update(optimizer, F.cross_entropy(out, y) + min(1, calls / 10) * agreement)
            calls += 1
            for slow, fast in zip(teacher.parameters(), model.parameters(), strict=True):
                slow.data.mul_(0.9).add_(fast.data, alpha=0.1)
            return loss

        return step

    return kept(seed, make)


@healthy("a queue of earlier outputs in the step")
def queue(seed):
    def make(model, optimizer):
        earlier = deque(maxlen=4)

        def step(batch):
            x, y = batch
            out = model(x)
            loss = F.cross_entropy(out, y)
            if earlier:
                loss = loss + 0.01 * (out.mean(0) - earlier[0]).square().mean()
            earlier.append(out.detach().mean(0))
            return update(optimizer, loss)

        return step

    return kept(seed, make)


@healthy("two losses over their running means, which an object keeps")
def balanced(seed):
    class Balance:
        def __init__(self):
            self.means = {}

        def __call__(self, name, loss):
            mean = self.means.get(name, loss.detach())
            self.means[name] = 0.5 * mean + 0.5 * loss.detach()
            return loss / self.means[name]

    def make(model, optimizer):
        balance = Balance()

        def step(batch):
            x, y = batch
            out = model(x)
            return update(optimizer, balance("class", F.cross_entropy(out, y)) + 0.1 * balance("size", out.norm()))

        return step

    return kept(seed, make)


@healthy("centres of the classes, moved in the step (center loss)")
def centres(seed):
    def make(model, optimizer):
        middle, counts = torch.zeros(10, 10), np.zeros(10)

        def step(batch):
            x, y = batch
            out = model(x)
            loss = update(optimizer, F.cross_entropy(out, y) + 0.01 * (out - middle[y]).square().mean())
            for k in y.unique().tolist():
                counts[k] += 1
                middle[k] += (out.detach()[y == k].mean(0) - middle[k]) / (1 + counts[k])
            return loss

        return step

    return kept(seed, make)


class Lazy(torch.optim.SGD):
    """Decays every fourth call, and has a slow copy of the weights (Lookahead)."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr, momentum=0.9)
        self.calls, self.held = 0, [p for group in self.param_groups for p in group["params"]]
        self.slow = [p.detach().clone() for p in self.held]

    @torch.no_grad()
    def step(self, closure=None):
        super().step(closure)
        self.calls += 1
        for slow, p in zip(self.slow, self.held, strict=True):
            if self.calls % 4 == 0:
                p.mul_(1 - 1e-3)
            if self.calls % 3 == 0:
                p.copy_(slow.lerp_(p, 0.5))


@healthy("own optimizer that counts its calls: a decay in every fourth, slow weights")
def lazy(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=Lazy(model.parameters(), 0.05))


@healthy("co-occurrences of two words' vectors (GloVe)")
def glove(seed):
    class Vectors(nn.Module):
        def __init__(self):
            super().__init__()
            self.word, self.other = nn.Embedding(60, 8), nn.Embedding(60, 8)
            self.word_bias, self.other_bias = nn.Embedding(60, 1), nn.Embedding(60, 1)
            for table in (self.word, self.other):
                nn.init.uniform_(table.weight, -0.5, 0.5)
            for table in (self.word_bias, self.other_bias):
                nn.init.zeros_(table.weight)

        def forward(self, i, j):
            return (self.word(i) * self.other(j)).sum(1) + self.word_bias(i)[:, 0] + self.other_bias(j)[:, 0]

    g = torch.Generator().manual_seed(seed)
    i, j = torch.randint(60, (2, 2000), generator=g)
    u, v = torch.randn(60, 4, generator=g), torch.randn(60, 4, generator=g)
    counts = ((u[i] * v[j]).sum(1) / 2 + 2 + 0.2 * torch.randn(2000, generator=g)).exp()
    model = Vectors()
    data = DataLoader(TensorDataset(i, j, counts), 64, shuffle=True)

    def loss(o, t):
        return ((t / 100).clamp(max=1) ** 0.75 * (o - t.log()).square()).mean()

    return {"model": model, "loss": loss, "data": data, "optimizer": adam(model, 1e-2)}
