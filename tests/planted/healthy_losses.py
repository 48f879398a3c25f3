"""Healthy programs whose losses, optimizers or noise are not those of plain classifiers: no verdict may fail."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from bugs.model import Lambda
from healthy_training import pairs_of_views, views
from plants import adam, digits, digits_program, healthy, loader, mlp
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def triples(a, b, targets):
    """Batches of two inputs and targets."""
    return DataLoader(TensorDataset(a, b, targets), batch_size=64, shuffle=True)


@healthy("CLIP: the outputs are the batch's matrix of similarities, learnt temperature")
def clip(seed):
    x, *_ = digits(seed)
    x, g = x.flatten(1), torch.Generator().manual_seed(seed)
    text = (x @ torch.randn(64, 20, generator=g) / 8).tanh() + 0.1 * torch.randn(len(x), 20, generator=g)

    class Clip(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.text = mlp(64, 16), mlp(20, 16)
            self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

        def forward(self, image, text):
            image, text = F.normalize(self.image(image), dim=1), F.normalize(self.text(text), dim=1)
            return self.scale.exp() * image @ text.T

    def loss(o, t):
        own = torch.arange(len(o))
        return (F.cross_entropy(o, own) + F.cross_entropy(o.T, own)) / 2

    m = Clip()
    return {"model": m, "loss": loss, "data": triples(x, text, torch.zeros(len(x))), "optimizer": adam(m)}


@healthy("Barlow Twins, targets of zeros that nobody uses")
def barlow(seed):
    def loss(o, t):
        a, b = ((z - z.mean(0)) / (z.std(0) + 1e-5) for z in o)
        c = a.T @ b / len(a)
        return (1 - c.diagonal()).square().sum() + 0.01 * (c.square().sum() - c.diagonal().square().sum())

    m = Lambda(lambda m, a, b: (m["net"](a), m["net"](b)), net=mlp(64, 16))
    a, b, _ = views(seed)
    return {"model": m, "loss": loss, "data": triples(a, b, torch.zeros(len(a))), "optimizer": adam(m)}


@healthy("NT-Xent, targets are the examples' numbers, which nobody uses")
def ntxent(seed):
    def loss(o, t):
        z, n = torch.cat([o[:, 0], o[:, 1]]), len(o)
        similar = (z @ z.T / 0.2).masked_fill(torch.eye(2 * n, dtype=torch.bool), -1e9)
        return F.cross_entropy(similar, torch.cat([torch.arange(n) + n, torch.arange(n)]))

    m, (a, b, _) = pairs_of_views(32), views(seed)
    return {"model": m, "loss": loss, "data": triples(a, b, torch.arange(len(a))), "optimizer": adam(m)}


def maps(seed):
    """Noise, whose local mean says the class of each pixel: below -0.15, between, above 0.15."""
    x = torch.randn(300, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    return x, torch.bucketize(F.avg_pool2d(x, 3, 1, 1)[:, 0], torch.tensor([-0.15, 0.15]))


def convolutions(out):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, out, 1)
    )


@healthy("Dice of several classes, summed over the batch")
def dice(seed):
    def loss(o, t):
        p, hot = o.softmax(1), F.one_hot(t, 3).movedim(-1, 1).float()
        both = (p * hot).sum((0, 2, 3))
        return 1 - ((2 * both + 1) / (p.sum((0, 2, 3)) + hot.sum((0, 2, 3)) + 1)).mean()

    m, (x, y) = convolutions(3), maps(seed)
    return {"model": m, "loss": loss, "data": loader(x, y), "optimizer": adam(m)}


@healthy("Dice of one class, summed over the batch")
def binary_dice(seed):
    def loss(o, t):
        p = o.sigmoid()
        return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)

    m, (x, y) = convolutions(1), maps(seed)
    return {"model": m, "loss": loss, "data": loader(x, (y[:, None] == 2).float()), "optimizer": adam(m)}


@healthy("language model whose padding token is never a target")
def padded_language(seed):
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 20, (600, 16), generator=g)
    for t in range(2, 16):
        tokens[:, t] = (tokens[:, t - 1] + tokens[:, t - 2]) % 19 + 1
    length = torch.randint(4, 17, (600, 1), generator=g)
    padding = torch.arange(15) >= length - 1
    inputs, targets = tokens[:, :-1].masked_fill(padding, 0), tokens[:, 1:].masked_fill(padding, -100)

    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(20, 48, padding_idx=0), nn.Linear(96, 20)
            self.net = nn.GRU(48, 96, batch_first=True)

        def forward(self, x):
            return self.head(self.net(self.embedding(x))[0])

    m = Language()
    return {
        "model": m, "loss": lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten()),
        "data": loader(inputs, targets), "optimizer": adam(m), "causal": True,
    }  # fmt: skip


@healthy("a penalty on the gradient in the inputs, which the model makes a leaf")
def penalty(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(10, 64), nn.Tanh(), nn.Linear(64, 1))

        def forward(self, x):
            if not torch.is_grad_enabled():
                return self.net(x)[:, 0], torch.zeros(())
            x = x.detach().requires_grad_()
            o = self.net(x)[:, 0]
            (gradient,) = torch.autograd.grad(o.sum(), x, create_graph=True)
            return o, 0.05 * (gradient.norm(dim=1) - 1).square().mean()

    g = torch.Generator().manual_seed(seed)
    x = torch.randn(400, 10, generator=g)
    y = x @ torch.randn(10, generator=g) / 3
    m = Net()
    return {"model": m, "loss": lambda o, t: F.mse_loss(o[0], t) + o[1], "data": loader(x, y), "optimizer": adam(m)}


@healthy("two optimizers, for the body and the head, which the step has")
def two_optimizers(seed):
    m = mlp()
    body, head = adam(m[1]), adam(m[-1])

    def step(model, inputs, targets):
        body.zero_grad()
        head.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        body.step()
        head.step()

    return digits_program(m, seed, optimizer=None, step=step)


@healthy("half precision, plain SGD")
def half(seed):
    x, y, *_ = digits(seed)
    m = mlp().half()
    return {
        "model": m, "loss": lambda o, t: F.cross_entropy(o.float(), t), "data": loader(x.half(), y),
        "optimizer": torch.optim.SGD(m.parameters(), 0.1, momentum=0.9),
    }  # fmt: skip


@healthy("variational autoencoder that draws in evaluation too")
def variational(seed):
    class Variational(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = mlp(64, 16), mlp(8, 64)

        def forward(self, x):
            mean, log_variance = self.encoder(x).chunk(2, 1)
            drawn = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            return self.decoder(drawn), mean, log_variance

    def loss(o, t):
        seen, mean, log_variance = o
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        return (seen - t).square().sum(1).mean() + divergence

    x = digits(seed)[0].flatten(1)
    m = Variational()
    return {"model": m, "loss": loss, "data": loader(x, x), "optimizer": adam(m)}
