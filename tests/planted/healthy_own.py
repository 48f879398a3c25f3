"""Healthy programs with parts that a person wrote anew: no verdict may fail."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from bugs.own_parts import (
    CrossEntropy,
    Decayed,
    Product,
    Stream,
    Swish,
    activated,
    blobs,
    changing,
    cutmix,
    mixed_in_step,
    mixup,
    product,
)
from plants import cnn, digits, digits_program, healthy, mlp
from torch.autograd import Function
from torch.utils.data import DataLoader


@healthy("own backward: an activation")
def activation(seed):
    return digits_program(activated(Swish), seed)


@healthy("own backward: a linear layer")
def linear(seed):
    return digits_program(product(Product), seed)


@healthy("own backward: the loss")
def own_loss(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: CrossEntropy.apply(o, t))


class Rounded(Function):
    @staticmethod
    def forward(ctx, x):
        return (x * 16).round() / 16

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Bounded(Function):
    """Gradients go on where they bring a number back."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * ((x.abs() <= 1) | (gradient * x > 0))


class Clipped(Function):
    """Hands on what it gets, and less of the gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(-0.01, 0.01)


@healthy("own backward on purpose: rounding, straight through")
def rounded(seed):
    return digits_program(activated(Rounded), seed)


@healthy("own backward on purpose: bounds that gradients may lead back from")
def bounded(seed):
    return digits_program(activated(Bounded), seed)


@healthy("own backward on purpose: a gradient clipped between layers")
def clipped(seed):
    model = activated(Swish)
    activate = model.function
    model.function = lambda x: Clipped.apply(activate(x))
    return digits_program(model, seed)


@healthy("own decay beside Adam's step")
def decay(seed):
    return changing(seed, lambda p: (1 - 1e-4) * p)


@healthy("own optimizer with decay")
def optimizer_with_decay(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=Decayed(model.parameters(), 0.1, 1))


@healthy("weights put back on a sphere after each step")
def sphere(seed):
    return changing(seed, lambda p: F.normalize(p, dim=1), before=True)


@healthy("streams whose workers share the examples")
def shared(seed):
    x, y, vx, vy = digits(seed)
    return digits_program(
        mlp(), seed, data=DataLoader(Stream(x, y, shared=True), 64, num_workers=2),
        val=DataLoader(Stream(vx, vy, shared=True), 64, num_workers=2),
    )  # fmt: skip


def mixed_labels(own, others, share):
    return share * own + (1 - share) * others


@healthy("mixup in the step")
def mixup_in_step(seed):
    return mixed_in_step(seed, mixup, mixed_labels)


@healthy("CutMix in the step")
def cutmix_in_step(seed):
    return mixed_in_step(seed, cutmix, mixed_labels)


@healthy("mixup or CutMix in every second step, labels smoothed")
def at_times(seed):
    def mix(x):
        if np.random.rand() < 0.5:
            return x, torch.arange(len(x)), 1.0
        return (mixup if np.random.rand() < 0.5 else cutmix)(x)

    program = mixed_in_step(seed, mix, mixed_labels)
    return {**program, "loss": lambda o, t: F.cross_entropy(o, t, label_smoothing=0.1)}


@healthy("mixup with a share for each example")
def each_its_own(seed):
    def augment(x, y, generator):
        share = torch.rand(len(x), 1, generator=generator)
        share = torch.maximum(share, 1 - share)
        other = torch.randperm(len(x), generator=generator)
        hot = F.one_hot(y, 10).float()
        wide = share[:, :, None, None]
        return wide * x + (1 - wide) * x[other], share * hot + (1 - share) * hot[other]

    return digits_program(cnn(), seed, augment=augment)


@healthy("mirrored pictures and positions")
def positions_follow(seed):
    return blobs(seed, lambda flipped, y: torch.where(flipped[:, None], y * torch.tensor([-1.0, 1.0]), y))
