"""Bugs out of public issues, in losses.

CARLA#117 and AVE-ECCV18#15 (softmax for several labels), FocalLoss#2 and RetinaNet#8 (focal weights), easytorch#38,
tf_unet#15, segmentation_models.pytorch#611 and mobile-hair-segmentation#3 (Dice), generative-models#43 (the sign of the
divergence), keras#1917 (binary cross-entropy below 0), pytorch#2421 and pytorch#187297 (gradients that are NaN),
deepspeech.pytorch#354 (the blank of CTC).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits, digits_program, loader, mlp
from torch import nn

from bugs.loss import binary, values
from bugs.model import Lambda


def several(seed):
    x, y, *_ = digits(seed)
    return x, torch.stack([(y % 2 == 0), (y > 4), (y % 3 == 0)], 1).float()


@bug("loss", "softmax for several labels at once", "output_activation", "softmax_once")
def softmax_labels(seed):
    x, targets = several(seed)
    model = nn.Sequential(mlp(outputs=3), nn.Softmax(1))
    return digits_program(model, seed, data=loader(x, targets), val=None, loss=nn.BCELoss())


@bug("loss", "cross-entropy for several labels at once", "right_loss")
def cross_entropy_labels(seed):
    x, targets = several(seed)
    return digits_program(mlp(outputs=3), seed, data=loader(x, targets), val=None, loss=nn.CrossEntropyLoss())


@bug("loss", "focal weights the wrong way round", "right_loss", "loss_sign")
def focal_turned(seed):
    def loss(outputs, targets):
        nats = F.cross_entropy(outputs, targets, reduction="none")
        return ((-nats).exp().square() * nats).mean()

    return digits_program(mlp(), seed, loss=loss)


def masks(seed, loss, *last):
    x, *_ = digits(seed)
    y = (x[:, :1] > 0).float()
    model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1), *last)
    return {"model": model, "loss": loss, "data": loader(x, y), "optimizer": adam(model)}


def dice(p, t):
    return (2 * (p * t).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + t.sum((1, 2, 3)) + 1)


@bug("loss", "Dice itself is minimised", "loss_sign")
def dice_minimised(seed):
    return masks(seed, lambda o, t: dice(o.sigmoid(), t).mean())


@bug("loss", "Dice of logits", "softmax_once")
def dice_logits(seed):
    return masks(seed, lambda o, t: 1 - dice(o, t).mean())


@bug("loss", "Dice of predictions that were cut at 0.5", "detached_graph")
def dice_cut(seed):
    def loss(outputs, targets):
        cut = (outputs.sigmoid() > 0.5).float().requires_grad_()
        return 1 - dice(cut, targets).mean()

    return masks(seed, loss)


@bug("loss", "the loss compares argmax with labels", "detached_graph", "loss_runs")
def of_argmax(seed):
    return digits_program(mlp(), seed, loss=lambda o, t: (o.argmax(1) - t).abs().float().mean())


@bug("loss", "the divergence of a VAE with the wrong sign", "loss_floor")
def divergence(seed):
    class Vae(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc, self.mu, self.var = nn.Linear(64, 64), nn.Linear(64, 8), nn.Linear(64, 8)
            self.dec = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))

        def forward(self, x):
            h = self.enc(x).relu()
            mu, logvar = self.mu(h), self.var(h)
            z = mu + torch.randn_like(mu) * (0.5 * logvar).exp() if self.training else mu
            return self.dec(z), mu, logvar

    def loss(raw, x):
        out, mu, logvar = raw
        return F.mse_loss(out, x) + 0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1).mean() / 64

    x, *_ = digits(seed)
    x = x.flatten(1)
    model = Vae()
    return {"model": model, "loss": loss, "data": (x, x), "optimizer": adam(model)}


@bug("loss", "binary cross-entropy with labels 1 and 2", "right_loss", "labels_in_range")
def one_and_two(seed):
    given = binary(seed, lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t + 1))
    x, y = given["data"].dataset.tensors
    return {**given, "data": loader(x, y + 1), "loss": lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t)}


@bug("loss", "binary cross-entropy of standardised pictures", "right_loss", "loss_floor")
def standardised_pictures(seed):
    x, *_ = digits(seed)
    x = x.flatten(1)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64))
    return {"model": model, "loss": nn.BCEWithLogitsLoss(), "data": (x, x), "optimizer": adam(model)}


@bug("model", "torch.where around a root: NaN gradients", "loss_runs", "gradient_flow")
def where_root(seed):
    def forward(m, x):
        h = m["a"](x.flatten(1))
        return m["b"](torch.where(h > 0, h.sqrt(), torch.zeros_like(h)))

    return digits_program(Lambda(forward, a=nn.Linear(64, 32), b=nn.Linear(32, 10)), seed)


@bug("loss", "the root of a distance that is 0 for equal pairs", "loss_runs", "gradient_flow")
def root_of_zero(seed):
    x, y, *_ = digits(seed)
    other = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    other[::20] = torch.arange(len(x))[::20]  # some pairs are the same picture twice
    alike = (y == y[other]).float()

    class Twins(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp(outputs=16)

        def forward(self, a, b):
            return (self.body(a) - self.body(b)).square().sum(1).sqrt()

    def loss(distance, alike):
        return (alike * distance.square() + (1 - alike) * (1 - distance).clamp(min=0).square()).mean()

    model = Twins()
    return {"model": model, "loss": loss, "data": ((x, x[other]), alike), "optimizer": adam(model)}


def ctc(seed, *, blank=0, log_softmax=True):
    """Pictures as sequences of columns, two digits side by side; targets are their names."""
    x, y, *_ = digits(seed)
    pairs = torch.randint(0, len(x), (600, 2), generator=torch.Generator().manual_seed(seed))
    wide = torch.cat([x[pairs[:, 0]], x[pairs[:, 1]]], 3)
    targets = y[pairs] + 1

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(8, 48, batch_first=True, bidirectional=True), nn.Linear(96, 11)

        def forward(self, x):
            scores = self.head(self.rnn(x[:, 0].transpose(1, 2))[0]).transpose(0, 1)  # (time, batch, classes)
            return scores.log_softmax(2) if log_softmax else scores

    def loss(outputs, targets):
        lengths = torch.full((outputs.shape[1],), outputs.shape[0])
        return F.ctc_loss(outputs, targets, lengths, torch.full((len(targets),), 2), blank=blank)

    model = Reader()
    return {"model": model, "loss": loss, "data": loader(wide, targets), "optimizer": adam(model, 3e-3)}


@bug("loss", "CTC of raw scores", "ctc_terms")
def ctc_raw(seed):
    return ctc(seed, log_softmax=False)


@bug("loss", "CTC whose blank is one of the targets", "ctc_terms")
def ctc_blank(seed):
    return ctc(seed, blank=5)


@bug("loss", "absolute values of signed errors summed before they are taken", "right_loss", "loss_broadcast")
def errors_cancel(seed):
    return values(seed, lambda o, t: (o[:, 0] - t).mean().abs())
