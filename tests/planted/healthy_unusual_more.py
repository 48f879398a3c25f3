"""Healthy programs with losses, layers and starts that few use: no verdict may fail."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, cnn, digits, digits_program, healthy, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def made(seed, model, loss, targets, *, features=8):
    """1,000 examples of normal numbers; ``targets(x, noise)``."""
    g = torch.Generator().manual_seed(seed)
    x, noise = torch.randn(1000, features, generator=g), torch.randn(1000, features, generator=g)
    return {"model": model, "loss": loss, "data": loader(x, targets(x, noise)), "optimizer": adam(model)}


class Branch(nn.Module):
    """A residual branch behind a gate that starts at 0 (ReZero, Bachlechner et al. 2020)."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.gate = nn.Linear(64, 64), nn.Linear(64, 64), nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + self.gate * self.b(self.a(x).relu())


@healthy("ReZero: linear at the start")
def rezero(seed):
    return digits_program(nn.Sequential(nn.Flatten(), nn.Linear(64, 64), Branch(), Branch(), nn.Linear(64, 10)), seed)


@healthy("PReLU with a slope of 1 at the start")
def slopes(seed):
    return digits_program(mlp(middle=[nn.Linear(64, 64), nn.PReLU(init=1.0)]), seed)


@healthy("two linear layers that bound the rank, on purpose")
def rank(seed):
    return digits_program(nn.Sequential(nn.Flatten(), nn.Linear(64, 6, bias=False), nn.Linear(6, 10)), seed)


@healthy("32 experts, many of them without an example in a batch (Switch)")
def experts(seed):
    class Switch(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.head = nn.Linear(64, 32), nn.Linear(64, 10)
            self.experts = nn.ModuleList(nn.Linear(64, 64) for _ in range(32))

        def forward(self, x):
            x = x.flatten(1)
            share, chosen = self.gate(x).softmax(1).max(1)
            out = x.clone()
            for k in chosen.unique().tolist():
                rows = (chosen == k).nonzero()[:, 0]
                out = out.index_add(0, rows, self.experts[k](x[rows]) * share[rows, None])
            return self.head(out.relu())

    return digits_program(Switch(), seed)


@healthy("a head for each task, one task in a batch")
def tasks(seed):
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU())
            self.heads = nn.ModuleList(nn.Linear(64, 5) for _ in range(3))

        def forward(self, x, task):
            return self.heads[int(task[0])](self.body(x))

    x, y, *_ = digits(seed)
    rows = [torch.arange(i, i + 64) for i in range(0, 1344, 64)]
    data = [((x[r], torch.full((64,), k % 3)), (y[r] + k % 3) % 5) for k, r in enumerate(rows)]
    model = Heads()
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model)}


@healthy("some labels unknown (-1), which the loss leaves out")
def unknown(seed):
    x, y, *_ = digits(seed)
    y = torch.where(torch.rand(len(y), generator=torch.Generator().manual_seed(seed)) < 0.3, -1, y)
    return digits_program(mlp(), seed, loss=nn.CrossEntropyLoss(ignore_index=-1), data=loader(x, y))


@healthy("a border of 255, which the loss leaves out (VOC)")
def border(seed):
    x = torch.randn(256, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    y = F.avg_pool2d(x, 3, 1, 1).argmax(1)
    y[:, 0], y[:, :, -1] = 255, 255
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 1))
    loss = nn.CrossEntropyLoss(ignore_index=255)
    return {"model": model, "loss": loss, "data": loader(x, y, size=16), "optimizer": adam(model)}


@healthy("MoCo: a queue of keys, the right one at place 0")
def moco(seed):
    class MoCo(nn.Module):
        def __init__(self):
            super().__init__()
            self.query = mlp(outputs=16)
            self.key = copy.deepcopy(self.query).requires_grad_(False)
            self.register_buffer("queue", F.normalize(torch.randn(256, 16), dim=1))

        def forward(self, a, b):
            q = F.normalize(self.query(a), dim=1)
            with torch.no_grad():
                k = F.normalize(self.key(b), dim=1)
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone().T], 1) / 0.2
            if self.training:
                self.queue.copy_(torch.cat([k, self.queue])[:256])
                for slow, fast in zip(self.key.parameters(), self.query.parameters(), strict=True):
                    slow.data.lerp_(fast.data, 0.01)
            return logits

    x, *_ = digits(seed)
    g = torch.Generator().manual_seed(seed)
    a, b = (x + 0.3 * torch.randn(x.shape, generator=g) for _ in range(2))
    model, first = MoCo(), torch.zeros(len(x), dtype=torch.long)
    data = DataLoader(TensorDataset(a, b, first), 64, shuffle=True, drop_last=True)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": data, "optimizer": adam(model.query)}


def correlated(seed, loss, *, size=64):
    """Values of a table as a column, whose order or shape over the batch counts."""
    x, y, *_ = table("diabetes", seed)
    model = mlp(10, 1, width=32)
    y = ((y - y.mean()) / y.std())[:, None]
    data = DataLoader(TensorDataset(x, y), size, shuffle=True, drop_last=True)
    return {"model": model, "loss": loss, "data": data, "optimizer": adam(model)}


@healthy("one minus the correlation over the batch")
def correlation(seed):
    return correlated(seed, lambda o, t: 1 - F.cosine_similarity(o - o.mean(0), t - t.mean(0), 0).mean())


@healthy("minus the correlation over the batch")
def minus_correlation(seed):
    return correlated(seed, lambda o, t: -F.cosine_similarity(o - o.mean(0), t - t.mean(0), 0).mean())


@healthy("concordance over the batch (CCC)")
def concordance(seed):
    def loss(o, t):
        a, b = o - o.mean(), t - t.mean()
        return 1 - 2 * (a * b).mean() / (a.square().mean() + b.square().mean() + (o.mean() - t.mean()).square())

    return correlated(seed, loss)


@healthy("each pair of a batch in the right order (RankNet)")
def ranks(seed):
    def loss(o, t):
        apart, right = o - o.T, t > t.T
        return F.softplus(-apart)[right].mean()

    return correlated(seed, loss)


@healthy("energy distance of outputs and targets as sets")
def energy(seed):
    def loss(o, t):
        return 2 * torch.cdist(o, t).mean() - torch.cdist(o, o).mean() - torch.cdist(t, t).mean()

    return made(seed, mlp(8, 2, width=32), loss, lambda x, n: n[:, :2] + 1)


@healthy("targets are embeddings, the batch's other ones the wrong answers (InfoNCE)")
def other_view(seed):
    def loss(o, t):
        return F.cross_entropy(F.normalize(o, dim=1) @ F.normalize(t, dim=1).T / 0.2, torch.arange(len(o)))

    return made(seed, mlp(8, 4), loss, lambda x, n: x[:, :4] + 0.3 * n[:, :4])


@healthy("exponential loss, labels -1 and 1")
def boosted(seed):
    return made(seed, mlp(8, 1), lambda o, t: (-o[:, 0] * t).exp().mean(), lambda x, n: (x + n / 3)[:, 0].sign())


@healthy("logistic loss, labels -1 and 1 (SoftMarginLoss)")
def logistic(seed):
    model = nn.Sequential(mlp(8, 1), nn.Flatten(0))
    return made(seed, model, nn.SoftMarginLoss(), lambda x, n: (x + n / 3)[:, 0].sign())


@healthy("numbers of the right classes, then -1 (MultiLabelMarginLoss)")
def listed(seed):
    x, y, *_ = digits(seed)
    places = torch.cat([y[:, None], torch.where(y % 2 == 0, (y + 1) % 10, -1)[:, None], torch.full((len(y), 8), -1)], 1)
    return digits_program(mlp(), seed, loss=nn.MultiLabelMarginLoss(), data=loader(x, places), val=None)


@healthy("stored actions and their advantages, policy gradient")
def advantages(seed):
    def targets(x, noise):
        action = noise[:, :3].argmax(1)
        return torch.stack([action.float(), (x[:, :3].argmax(1) == action).float() - 0.33], 1)

    def loss(o, t):
        return -(o.log_softmax(1).gather(1, t[:, :1].long())[:, 0] * t[:, 1]).mean()

    return made(seed, mlp(8, 3), loss, targets)


@healthy("proximal policy: clipped ratios, values, entropy")
def proximal(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.policy, self.value = nn.Linear(8, 64), nn.Linear(64, 3), nn.Linear(64, 1)
            for layer, gain in ((self.body, 2**0.5), (self.policy, 0.01), (self.value, 1.0)):
                nn.init.orthogonal_(layer.weight, gain)

        def forward(self, x):
            h = self.body(x).tanh()
            return self.policy(h), self.value(h)[:, 0]

    def loss(o, t):
        logs = o[0].log_softmax(1)
        ratio = (logs.gather(1, t[:, :1].long())[:, 0] + math.log(3)).exp()
        gain = torch.minimum(ratio * t[:, 1], ratio.clamp(0.8, 1.2) * t[:, 1]).mean()
        return -gain + 0.5 * F.mse_loss(o[1], t[:, 2]) + 0.01 * (logs.exp() * logs).sum(1).mean()

    def targets(x, noise):
        action = noise[:, :3].argmax(1)
        return torch.stack(
            [action.float(), (x[:, :3].argmax(1) == action).float() - 0.33, x[:, 0] + 0.1 * noise[:, 4]], 1
        )

    return made(seed, Net(), loss, targets)


@healthy("counts, negative binomial with a shape of its own")
def counts(seed):
    def loss(o, t):
        shape = F.softplus(o[:, 1]) + 1e-3
        return -torch.distributions.NegativeBinomial(shape, logits=0.3 * o[:, 0]).log_prob(t).mean()

    return made(seed, mlp(8, 2), loss, lambda x, n: (3 * (x[:, 0] + 0.5 * n[:, 0]).exp()).round())


@healthy("a critic whose weights are clamped (WGAN)")
def critic(seed):
    x, y, *_ = digits(seed)
    net = mlp(64, 1)

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x), self.net(torch.randn_like(x))

    model = Both()
    optimizer = torch.optim.RMSprop(model.parameters(), 5e-4)

    def loss(o, _):
        return o[1].mean() - o[0].mean()

    def step(batch):
        optimizer.zero_grad()
        value = loss(model(batch[0]), None)
        value.backward()
        optimizer.step()
        with torch.no_grad():
            for p in model.parameters():
                p.clamp_(-0.3, 0.3)
        return value

    return {"model": model, "loss": loss, "data": loader(x, y), "optimizer": optimizer, "step": step}


@healthy("random features that stay, wide and flat (extreme learning machine)")
def stay(seed):
    first = nn.Linear(64, 256).requires_grad_(False)
    nn.init.normal_(first.weight)
    model = nn.Sequential(nn.Flatten(), first, nn.Tanh(), nn.Linear(256, 10))
    return digits_program(model, seed, optimizer=adam(model[3]))


@healthy("standard normal weights, scaled in each forward pass (StyleGAN)")
def equalised(seed):
    class Scaled(nn.Linear):
        def reset_parameters(self):
            nn.init.normal_(self.weight)
            nn.init.zeros_(self.bias)

        def forward(self, x):
            return F.linear(x, self.weight * self.in_features**-0.5, self.bias)

    layers = [Scaled(64, 64), nn.LeakyReLU(0.2), Scaled(64, 64), nn.LeakyReLU(0.2), Scaled(64, 10)]
    return digits_program(nn.Sequential(nn.Flatten(), *layers), seed)


@healthy("large weights, and tiny ones, each before a norm")
def before_norms(seed):
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64, bias=False),
        nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    nn.init.normal_(model[1].weight)
    nn.init.normal_(model[4].weight, std=5e-3)
    return digits_program(model, seed)


@healthy("outputs divided by the width (muP)")
def divided(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = cnn(256), nn.Linear(256, 10)
            nn.init.normal_(self.head.weight)

        def forward(self, x):
            return self.head(self.body(x).relu()) / 256

    return digits_program(Net(), seed, optimizer=None)
