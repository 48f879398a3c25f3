"""Bugs out of reports, in losses: what is compared with what, and on which scale."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits, digits_program, loader, mlp, table
from torch import nn

from bugs.model import language


@bug("loss", "classes moved by view in place of transpose", "loss_broadcast")
def classes_by_view(seed):
    program = language(seed)

    def loss(o, t):
        return F.cross_entropy(o.reshape(o.shape[0], o.shape[2], o.shape[1]), t)

    return {**program, "loss": loss}


@bug("loss", "targets of -1 and 1 for BCE", "right_loss")
def minus_one(seed):
    x, y, *_ = table("breast_cancer", seed)
    model = mlp(30, 1)
    return {
        "model": model,
        "loss": lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t),
        "data": loader(x, 2 * y.float() - 1),
        "optimizer": adam(model),
    }


@bug("loss", "NLLLoss of probabilities", "softmax_once")
def nll_probabilities(seed):
    return digits_program(nn.Sequential(mlp(), nn.Softmax(1)), seed, loss=nn.NLLLoss())


@bug("loss", "KL divergence of probabilities, not logs", "softmax_once")
def kl(seed):
    x, y, *_ = digits(seed)
    soft = F.one_hot(y, 10).float() * 0.9 + 0.01
    return digits_program(
        nn.Sequential(mlp(), nn.Softmax(1)),
        seed,
        data=loader(x, soft),
        val=None,
        loss=lambda o, t: F.kl_div(o, t, reduction="batchmean"),
    )


@bug("loss", "cosine similarity minimised", "loss_sign")
def cosine(seed):
    x, _y, *_ = digits(seed)
    model = mlp(64, 64)
    return {
        "model": model,
        "loss": lambda o, t: F.cosine_similarity(o, t, dim=1).mean(),
        "data": loader(x, x.flatten(1)),
        "optimizer": adam(model),
    }


@bug("loss", "pos_weight upside down", "class_weights")
def pos_weight(seed):
    x, y, *_ = digits(seed)
    labels = (y == 3).float()
    w = labels.mean() / (1 - labels.mean())
    model = mlp(outputs=1)
    return digits_program(
        model,
        seed,
        data=loader(x, labels),
        val=None,
        loss=lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t, pos_weight=w),
    )


@bug("loss", "label smoothing 0.9 (taken for the share that is kept)", "right_loss")
def smoothing(seed):
    return digits_program(mlp(), seed, loss=nn.CrossEntropyLoss(label_smoothing=0.9))
