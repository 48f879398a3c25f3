"""Bugs in parts that a person writes anew: backward functions, weight decay, streams that workers read."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, cnn, digits, digits_program, loader, mlp
from torch import nn
from torch.autograd import Function
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Swish(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        share = x.sigmoid()
        return gradient * share * (1 + x * (1 - share))


class SwishWithoutFactor(Swish):
    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        share = x.sigmoid()
        return gradient * (share + x * (1 - share))


class Product(Function):
    @staticmethod
    def forward(x, weight):
        return x @ weight.T

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.T @ x


class ProductAveraged(Product):
    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.T @ x / len(x)


class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, outputs, targets):
        ctx.save_for_backward(outputs, targets)
        return F.cross_entropy(outputs, targets)

    @staticmethod
    def backward(ctx, gradient):
        outputs, targets = ctx.saved_tensors
        return gradient * (outputs.softmax(1) - F.one_hot(targets, outputs.shape[1])) / len(targets), None


class CrossEntropySwapped(CrossEntropy):
    @staticmethod
    def backward(ctx, gradient):
        right, _ = CrossEntropy.backward(ctx, gradient)
        return right.roll(1, 1), None


def activated(function):
    """An MLP with an autograd function between its layers."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last, self.function = nn.Linear(64, 64), nn.Linear(64, 10), function.apply

        def forward(self, x):
            return self.last(self.function(self.first(x.flatten(1))))

    return Net()


def product(function):
    """A linear layer by an autograd function, and another one."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.last = nn.Parameter(torch.randn(64, 64) / 8), nn.Linear(64, 10)

        def forward(self, x):
            return self.last(function.apply(x.flatten(1), self.weight).relu())

    return Net()


@bug("model", "own backward: a factor of the chain rule left out", "own_backward")
def without_factor(seed):
    return digits_program(activated(SwishWithoutFactor), seed)


@bug("model", "own backward: the weight's gradient averaged over the batch", "own_backward")
def averaged(seed):
    return digits_program(product(ProductAveraged), seed)


@bug("loss", "own backward: the loss's gradient at other classes", "own_backward")
def swapped(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: CrossEntropySwapped.apply(o, t))


class Decayed(torch.optim.Optimizer):
    """Gradient descent with decay times ``sign``."""

    def __init__(self, parameters, lr, sign):
        super().__init__(parameters, {"lr": lr, "sign": sign})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad + group["sign"] * 1e-3 * p, alpha=group["lr"])


def changing(seed, change, *, before=False):
    """Adam, and ``change`` of the matrices after each step of it, and ``before`` the first."""
    program = digits_program(mlp(), seed)
    model, optimizer = program["model"], program["optimizer"]

    @torch.no_grad()
    def change_all():
        for p in model.parameters():
            if p.ndim > 1:
                p.copy_(change(p))

    def step(batch):
        x, y = batch
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        change_all()
        return loss

    if before:
        change_all()
    return {**program, "step": step}


@bug("optimisation", "own decay that grows", "decay_shrinks")
def growing(seed):
    return changing(seed, lambda p: (1 + 1e-4) * p)


@bug("optimisation", "own optimizer with a decay that grows", "decay_shrinks")
def growing_optimizer(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=Decayed(model.parameters(), 0.1, -1))


class Stream(IterableDataset):
    """Examples in a new order each time; ``shared``: each worker gives its own part."""

    def __init__(self, x, y, *, shared):
        self.x, self.y, self.shared = x, y, shared

    def __iter__(self):
        worker = get_worker_info()
        rows = torch.arange(len(self.y))
        if self.shared and worker is not None:
            rows = rows[worker.id :: worker.num_workers]
        return ((self.x[i], self.y[i]) for i in rows[torch.randperm(len(rows))])


@bug("data", "a stream that each worker gives whole", "workers_share")
def whole_stream(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=DataLoader(Stream(x, y, shared=False), 64, num_workers=2))


@bug("evaluation", "each worker gives the whole validation set", "workers_share")
def whole_validation(seed):
    x, y, vx, vy = digits(seed)
    val = DataLoader(Stream(vx, vy, shared=False), 64, num_workers=2)
    return digits_program(mlp(), seed, data=loader(x, y), val=val)


def mixed_in_step(seed, mix, labels):
    """Adam in a step of one's own: ``mix(x)`` gives inputs, the other examples and the share of the first ones."""
    program = digits_program(cnn(), seed)
    model, optimizer = program["model"], program["optimizer"]

    def step(batch):
        x, y = batch
        x, other, share = mix(x)
        optimizer.zero_grad()
        out = model(x)
        loss = labels(F.cross_entropy(out, y), F.cross_entropy(out, y[other]), share)
        loss.backward()
        optimizer.step()
        return loss

    return {**program, "step": step}


def mixup(x):
    share, other = float(np.random.beta(1, 1)), torch.randperm(len(x))
    return share * x + (1 - share) * x[other], other, share


def cutmix(x):
    other, (top, left) = torch.randperm(len(x)), torch.randint(0, 4, (2,))
    tall, wide = torch.randint(2, 7, (2,))
    x = x.clone()
    box = x[:, :, top : top + tall, left : left + wide]
    share = 1 - box[0, 0].numel() / 64
    x[:, :, top : top + tall, left : left + wide] = x[other][:, :, top : top + tall, left : left + wide]
    return x, other, share


@bug("loss", "mixup in the step, the labels' shares exchanged", "mixed_labels")
def exchanged(seed):
    return mixed_in_step(seed, mixup, lambda own, others, share: (1 - share) * own + share * others)


@bug("loss", "mixup in the step, without the other labels", "mixed_labels")
def first_only(seed):
    return mixed_in_step(seed, mixup, lambda own, others, share: own)


@bug("loss", "CutMix in the step, the labels' shares exchanged", "mixed_labels")
def exchanged_boxes(seed):
    return mixed_in_step(seed, cutmix, lambda own, others, share: (1 - share) * own + share * others)


@bug("data", "mixup as augmentation, the labels' shares exchanged", "mixed_labels", "augmentation_label")
def exchanged_augmentation(seed):
    def augment(x, y, generator):
        other, share = torch.randperm(len(x), generator=generator), torch.rand(1, generator=generator)
        hot = F.one_hot(y, 10).float()
        return share * x + (1 - share) * x[other], (1 - share) * hot + share * hot[other]

    return digits_program(cnn(), seed, augment=augment)


def blobs(seed, turned):
    """Where a spot lies in a picture, (x, y) from the left upper corner; mirrored at random."""
    g = torch.Generator().manual_seed(seed)
    where = 2 + 11 * torch.rand(1200, 2, generator=g)
    axis = torch.arange(16.0)
    near = [-(axis - where[:, i, None]).square() / 4 for i in (0, 1)]
    x = (near[0][:, None, :] + near[1][:, :, None]).exp()[:, None] + 0.1 * torch.randn(1200, 1, 16, 16, generator=g)
    x = (x - x.mean()) / x.std()
    y = (where - 7.5) / 3.2

    def mirror(x, y, generator):
        flipped = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(flipped[:, None, None, None], x.flip(3), x)
        return x, turned(flipped, y)

    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 2))
    return {"model": model, "loss": F.mse_loss, "data": loader(x[:1000], y[:1000]),
            "val": loader(x[1000:], y[1000:], shuffle=False), "optimizer": adam(model), "augment": mirror}  # fmt: skip


@bug("data", "mirrored pictures, positions as they were", "targets_follow")
def positions_stay(seed):
    return blobs(seed, lambda flipped, y: y)


@bug("data", "mirrored pictures, the wrong coordinate mirrored", "targets_follow")
def wrong_coordinate(seed):
    return blobs(seed, lambda flipped, y: torch.where(flipped[:, None], y * torch.tensor([1.0, -1.0]), y))
