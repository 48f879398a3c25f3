from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import Config, adam, bug, digits_program, loader, mlp, table
from torch import nn

from bugs.model import language


def values(seed, loss, model=None, **others):
    x, y, *_ = table("diabetes", seed)
    model = model or mlp(10, 1)
    y = (y - y.mean()) / y.std()
    return {"model": model, "loss": loss, "data": loader(x, y), "optimizer": adam(model), **others}


def binary(seed, loss, model=None):
    x, y, *_ = table("breast_cancer", seed)
    model = model or mlp(30, 1)
    return {"model": model, "loss": loss, "data": loader(x, y.float()), "optimizer": adam(model)}


@bug("loss", "softmax twice", "softmax_once")
def softmax_twice(seed):
    return digits_program(nn.Sequential(mlp(), nn.Softmax(1)), seed)


@bug("loss", "sigmoid twice", "softmax_once")
def sigmoid_twice(seed):
    model = nn.Sequential(mlp(30, 1), nn.Sigmoid(), nn.Flatten(0))
    return binary(seed, nn.BCEWithLogitsLoss(), model)


@bug("loss", "softmax missing", "softmax_once")
def softmax_missing(seed):
    return digits_program(mlp(), seed, loss=nn.NLLLoss())


@bug("loss", "sigmoid missing", "softmax_once")
def sigmoid_missing(seed):
    return binary(seed, lambda o, t: F.binary_cross_entropy(o[:, 0], t))


@bug("loss", "wrong loss (squared error on logits)", "right_loss")
def squared_logits(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: F.mse_loss(o, F.one_hot(t, 10).float()))


@bug("loss", "wrong loss (cross-entropy of one output)", "right_loss")
def one_output(seed):
    x, y, *_ = table("breast_cancer", seed)
    model = mlp(30, 1)
    loss = lambda o, t: F.cross_entropy(o, torch.zeros_like(t)) + 0 * t.sum()  # noqa: E731
    return {"model": model, "loss": loss, "data": loader(x, y), "optimizer": adam(model)}


@bug("loss", "wrong loss (regression on class numbers)", "right_loss")
def class_numbers(seed):
    return digits_program(mlp(outputs=1), seed, loss=lambda o, t: F.mse_loss(o[:, 0], t.float()))


@bug("loss", "flipped sign", "loss_sign")
def flipped(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: -F.cross_entropy(o, t))


@bug("loss", "flipped sign (regression)", "loss_sign")
def flipped_values(seed):
    return values(seed, lambda o, t: -F.mse_loss(o[:, 0], t))


@bug("loss", "sum for mean", "loss_mean")
def summed(seed):
    return digits_program(mlp(), seed, loss=nn.CrossEntropyLoss(reduction="sum"))


@bug("loss", "sum for mean (regression)", "loss_mean")
def summed_values(seed):
    return values(seed, lambda o, t: (o[:, 0] - t).square().sum())


@bug("loss", "(N,1) against (N) broadcasting", "loss_broadcast")
def broadcast(seed):
    return values(seed, nn.MSELoss())


@bug("loss", "(N,1) against (N) broadcasting, absolute error", "loss_broadcast")
def broadcast_l1(seed):
    return values(seed, lambda o, t: (o - t).abs().mean())


@bug("loss", "labels shifted twice", "target_shift")
def shifted_twice(seed):
    return language(seed, shift_in_loss=1)


@bug("loss", "labels not shifted", "target_shift")
def not_shifted(seed):
    return language(seed, shift_in_data=0)


@bug("loss", "log(0)", "loss_finite")
def log_zero(seed):
    model = nn.Sequential(mlp(), nn.Softmax(1))
    return digits_program(model, seed, loss=lambda p, t: -p[torch.arange(len(t)), t].log().mean())


@bug("loss", "exp overflows", "loss_finite")
def overflow(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: (o.exp().sum(1).log() - o[torch.arange(len(t)), t]).mean())


@bug("loss", "regularizer overwhelming the loss", "regularizer_share")
def penalty(seed):
    model = mlp()
    return digits_program(
        model, seed, loss=lambda o, t: F.cross_entropy(o, t) + 10 * sum(p.square().sum() for p in model.parameters())
    )


@bug("loss", "weight decay overwhelming the loss", "regularizer_share")
def decay(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=5.0))


@bug("loss", "regularizer overwhelming the loss (config)", "regularizer_share")
def config_penalty(seed):
    return Config(("+regularizer.heavy={_target_: bugs.parts.Heavy, weight: 50.0}",))
