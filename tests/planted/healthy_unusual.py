"""Healthy programs with steps, gradients and streams that few write: no verdict may fail."""

from __future__ import annotations

import torch
from bugs.own_parts import Swish, activated
from plants import digits_program, healthy
from torch import nn
from torch.autograd import Function


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
