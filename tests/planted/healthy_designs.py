"""Healthy programs of designs that are rare but right: no verdict may fail."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from bugs.issues_losses import ctc
from bugs.issues_training import tagged, tagging
from bugs.loss import binary, values
from bugs.model import Lambda, language
from bugs.optimisation import scheduled, stepping
from plants import adam, cnn, digits, digits_program, healthy, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler

SGD = torch.optim.SGD


@healthy("CTC, time first")
def ctc_right(seed):
    return ctc(seed)


@healthy("DataParallel around the model")
def data_parallel(seed):
    return digits_program(nn.DataParallel(mlp(middle=[nn.BatchNorm1d(64)])), seed)


@healthy("compiled model")
def compiled(seed):
    return digits_program(torch.compile(mlp(), backend="eager"), seed)


@healthy("weights made by a small network, functional_call")
def hyper(seed):
    class Hyper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.code = nn.Linear(64, 32), nn.Parameter(torch.randn(8))
            self.inner.requires_grad_(False)
            self.make, self.head = nn.Linear(8, 64 * 32), nn.Linear(32, 10)
            nn.init.normal_(self.make.weight, std=0.05)
            nn.init.zeros_(self.make.bias)

        def forward(self, x):
            weights = {"weight": self.make(self.code).view(32, 64), "bias": self.inner.bias}
            return self.head(torch.func.functional_call(self.inner, weights, x.flatten(1)).relu())

    model = Hyper()
    return digits_program(model, seed, optimizer=adam([p for p in model.parameters() if p.requires_grad]))


@healthy("lazily initialised modules, after one forward pass")
def lazy(seed):
    x, *_ = digits(seed)
    model = nn.Sequential(
        nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(32), nn.ReLU(),
        nn.LazyLinear(10),
    )  # fmt: skip
    model(x[:4])
    return digits_program(model, seed)


@healthy("channels_last memory")
def channels_last(seed):
    x, y, *_ = digits(seed)
    x = F.interpolate(x, 16, mode="bilinear").expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.7, 0.4]).reshape(1, 3, 1, 1)
    model = cnn(channels=3).to(memory_format=torch.channels_last)
    return digits_program(model, seed, data=loader(x.contiguous(memory_format=torch.channels_last), y), val=None)


@healthy("Fourier layer with complex weights")
def fourier(seed):
    class Fourier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lift, self.drop = nn.Conv2d(1, 16, 1), nn.Conv2d(16, 16, 1)
            self.weight = nn.Parameter(torch.randn(16, 16, 8, 5, dtype=torch.cfloat) / 16)
            self.head = nn.Linear(16 * 64, 10)

        def forward(self, x):
            h = self.lift(x)
            modes = torch.einsum("bixy,ioxy->boxy", torch.fft.rfft2(h), self.weight)
            return self.head((torch.fft.irfft2(modes, s=(8, 8)) + self.drop(h)).relu().flatten(1))

    return digits_program(Fourier(), seed)


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -0.3 * gradient


@healthy("domain-adversarial: a head behind a reversed gradient")
def adversarial(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head, self.domain = mlp(outputs=32), nn.Linear(32, 10), nn.Linear(32, 2)

        def forward(self, x):
            h = self.body(x).relu()
            return self.head(h), self.domain(Reverse.apply(h))

    x, y, *_ = digits(seed)
    domains = torch.arange(len(x)) % 2
    x = x + 0.3 * domains.reshape(-1, 1, 1, 1)
    targets = torch.stack([y, domains], 1)
    model = Net()
    return {
        "model": model, "loss": lambda o, t: F.cross_entropy(o[0], t[:, 0]) + F.cross_entropy(o[1], t[:, 1]),
        "data": loader(x, targets), "optimizer": adam(model),
    }  # fmt: skip


@healthy("two heads: class and brightness, weights of the losses 1 and 0.5")
def heads(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.cls, self.reg = mlp(outputs=32), nn.Linear(32, 10), nn.Linear(32, 1)

        def forward(self, x):
            h = self.body(x).relu()
            return {"class": self.cls(h), "value": self.reg(h)[:, 0]}

    x, y, *_ = digits(seed)
    targets = torch.stack([y.float(), x.mean((1, 2, 3))], 1)
    model = Net()

    def loss(o, t):
        return F.cross_entropy(o["class"], t[:, 0].long()) + 0.5 * F.mse_loss(o["value"], t[:, 1])

    return {"model": model, "loss": loss, "data": loader(x, targets), "optimizer": adam(model)}


class Standardised(nn.Conv2d):
    def forward(self, x):
        w = self.weight
        w = (w - w.mean((1, 2, 3), True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5) / w[0].numel() ** 0.5
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


@healthy("weight standardisation and group norm, batches of 4")
def group_norm(seed):
    x, y, *_ = digits(seed)
    model = nn.Sequential(
        Standardised(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(), Standardised(16, 16, 3, padding=1),
        nn.GroupNorm(4, 16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip
    return digits_program(model, seed, data=loader(x, y, size=4), val=None)


@healthy("graph convolution by hand, adjacency beside the nodes")
def graphs(seed):
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.randn(500, 9, 4, generator=generator)
    edges = (torch.rand(500, 9, 9, generator=generator) < 0.3).float()
    edges = ((edges + edges.transpose(1, 2)) > 0).float() * (1 - torch.eye(9)) + torch.eye(9)

    class Graph(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.head = nn.Linear(4, 32), nn.Linear(32, 32), nn.Linear(32, 2)

        def forward(self, nodes, edges):
            step = edges / edges.sum(2, keepdim=True)
            h = (step @ self.a(nodes)).relu()
            return self.head((step @ self.b(h)).relu().mean(1))

    model = Graph()
    y = (nodes[:, :, 0].mean(1) > 0).long()
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader_of((nodes, edges), y),
            "optimizer": adam(model)}  # fmt: skip


def loader_of(inputs, y, size=64):
    return DataLoader(TensorDataset(*inputs, y), size, shuffle=True)


@healthy("SimSiam: two views, a stopped gradient")
def simsiam(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32))
            self.guess = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 32))

        def forward(self, a, b):
            za, zb = self.body(a), self.body(b)
            pa, pb = self.guess(za), self.guess(zb)
            return -(F.cosine_similarity(pa, zb.detach()) + F.cosine_similarity(pb, za.detach())) / 2

    x, y, *_ = digits(seed)
    views = (x + 0.2 * torch.randn_like(x), x + 0.2 * torch.randn_like(x))
    model = Net()
    return {"model": model, "loss": lambda o, t: o.mean(), "data": (views, y),
            "optimizer": SGD(model.parameters(), lr=0.05, momentum=0.9)}  # fmt: skip


@healthy("ordered classes by cumulative logits (CORAL)")
def coral(seed):
    x, y, *_ = table("diabetes", seed)
    bins = torch.bucketize(y, torch.quantile(y, torch.tensor([0.25, 0.5, 0.75])))

    class Coral(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.cuts = mlp(10, 1), nn.Parameter(torch.tensor([1.0, 0.0, -1.0]))

        def forward(self, x):
            return self.body(x) + self.cuts

    def loss(o, t):
        return F.binary_cross_entropy_with_logits(o, (t[:, None] > torch.arange(3)).float())

    model = Coral()
    return {"model": model, "loss": loss, "data": loader(x, bins), "optimizer": adam(model)}


@healthy("mixture density of three Gaussians")
def mixture(seed):
    def loss(o, t):
        weights, means, logs = o.chunk(3, 1)
        parts = torch.distributions.Normal(means, logs.clamp(-4, 4).exp())
        return -(weights.log_softmax(1) + parts.log_prob(t[:, None])).logsumexp(1).mean()

    return values(seed, loss, mlp(10, 9))


@healthy("bfloat16 weights, AdamW")
def half(seed):
    x, y, *_ = digits(seed)
    model = mlp().to(torch.bfloat16)
    loss = lambda o, t: F.cross_entropy(o.float(), t)  # noqa: E731
    return digits_program(model, seed, data=loader(x.bfloat16(), y), val=None, loss=loss,
                          optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3))  # fmt: skip


@healthy("a sampler that balances classes, weights an example")
def balanced(seed):
    x, y, *_ = digits(seed)
    y = (y == 3).long()
    weights = (1 / torch.bincount(y).double())[y]
    data = DataLoader(TensorDataset(x, y), 64, sampler=WeightedRandomSampler(weights, len(y)))
    return digits_program(mlp(outputs=2), seed, data=data, val=None)


@healthy("residual paths dropped at random (stochastic depth)")
def stochastic_depth(seed):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64))

        def forward(self, x):
            if not self.training:
                return x + self.body(x)
            keep = (torch.rand(len(x), 1) < 0.8).float() / 0.8
            return x + keep * self.body(x)

    return digits_program(nn.Sequential(nn.Flatten(), *[Block() for _ in range(3)], nn.Linear(64, 10)), seed)


@healthy("four experts, the best of them for each example, after noise (Shazeer et al. 2017)")
def experts(seed):
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Linear(64, 4)
            self.experts = nn.ModuleList(nn.Sequential(nn.Linear(64, 32), nn.ReLU()) for _ in range(4))
            self.head = nn.Linear(32, 10)

        def forward(self, x):
            x = x.flatten(1)
            scores = self.gate(x)
            noise = torch.randn_like(scores) if self.training else 0.0  # else one that nobody chooses stays so
            share, chosen = (scores + noise).softmax(1).max(1)
            h = torch.zeros(len(x), 32)
            for i, expert in enumerate(self.experts):
                rows = (chosen == i).nonzero()[:, 0]
                h = h.index_add(0, rows, expert(x[rows]) * share[rows, None])
            return self.head(h)

    return digits_program(Experts(), seed)


@healthy("vector-quantised autoencoder, straight through")
def vector_quantised(seed):
    class Vq(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
            self.codes = nn.Embedding(32, 4)
            self.dec = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64))

        def forward(self, x):
            z = self.enc(x).view(-1, 4)
            q = self.codes(torch.cdist(z, self.codes.weight).argmin(1))
            cost = F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())
            return self.dec((z + (q - z).detach()).view(-1, 16)), cost

    x, *_ = digits(seed)
    x = x.flatten(1)
    model = Vq()
    return {"model": model, "loss": lambda o, t: F.mse_loss(o[0], t) + o[1], "data": (x, x), "optimizer": adam(model)}


@healthy("binary activations, straight through")
def straight_through(seed):
    def forward(m, x):
        h = m["a"](x.flatten(1))
        return m["b"](h.tanh() + (h.sign() - h.tanh()).detach())

    return digits_program(Lambda(forward, a=nn.Linear(64, 64), b=nn.Linear(64, 10)), seed)


@healthy("one block six times over (shared weights), Euler steps")
def euler(seed):
    class Ode(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.field, self.head = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)

        def forward(self, x):
            h = self.first(x.flatten(1))
            for _ in range(6):
                h = h + self.field(h).tanh() / 6
            return self.head(h)

    return digits_program(Ode(), seed)


@healthy("encoder and decoder, causal, padded on both sides")
def translation(seed):
    generator = torch.Generator().manual_seed(seed)
    source = torch.randint(2, 12, (600, 7), generator=generator)
    lengths = torch.randint(3, 8, (600, 1), generator=generator)
    source = source.masked_fill(torch.arange(7) >= lengths, 0)
    target = source.clone()  # the same letters, each the next one of the alphabet
    target = torch.where(target > 1, (target - 2 + 1) % 10 + 2, target)
    given = torch.cat([torch.ones(600, 1, dtype=torch.long), target[:, :-1]], 1)

    class Seq2Seq(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.p = nn.Embedding(12, 32), nn.Embedding(12, 32), nn.Embedding(8, 32)
            self.net = nn.Transformer(32, 2, 1, 1, 64, 0.1, batch_first=True)
            self.head = nn.Linear(32, 12)

        def forward(self, source, given):
            pad, later = source == 0, torch.ones(7, 7, dtype=torch.bool).triu(1)
            place = self.p(torch.arange(7))
            h = self.net(
                self.a(source) + place, self.b(given) + place, tgt_mask=later, src_key_padding_mask=pad,
                memory_key_padding_mask=pad, tgt_key_padding_mask=torch.zeros_like(given, dtype=torch.bool),
            )  # fmt: skip
            return self.head(h)

    model = Seq2Seq()
    loss = lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten(), ignore_index=0)  # noqa: E731
    return {"model": model, "loss": loss, "data": loader_of((source, given), target), "optimizer": adam(model)}


@healthy("physics: the model returns its own derivative")
def physics(seed):
    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

        def forward(self, t):
            with torch.enable_grad():
                t = t.detach().requires_grad_()
                u = self.net(t)
                (du,) = torch.autograd.grad(u.sum(), t, create_graph=True)
            return torch.cat([u, du], 1)

    t = torch.rand(400, 1, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    model = Field()
    loss = lambda o, y: (o[:, 1] + o[:, 0]).square().mean() + (o[:, 0] - y[:, 0]).square().mean()  # noqa: E731
    return {"model": model, "loss": loss, "data": loader(t, (-t).exp()), "optimizer": adam(model, 3e-3)}


@healthy("ratings from embeddings of people and films")
def factors(seed):
    generator = torch.Generator().manual_seed(seed)
    people, films = torch.randn(40, 3, generator=generator), torch.randn(25, 3, generator=generator)
    ids = torch.stack([torch.randint(0, n, (900,), generator=generator) for n in (40, 25)], 1)
    y = (people[ids[:, 0]] * films[ids[:, 1]]).sum(1)

    class Factors(nn.Module):
        def __init__(self):
            super().__init__()
            self.people, self.films = nn.Embedding(40, 8), nn.Embedding(25, 8)
            self.bias = nn.Parameter(torch.zeros(1))
            for table_ in (self.people, self.films):
                nn.init.normal_(table_.weight, std=0.3)

        def forward(self, ids):
            return (self.people(ids[:, 0]) * self.films(ids[:, 1])).sum(1) + self.bias

    model = Factors()
    return {"model": model, "loss": nn.MSELoss(), "data": loader(ids, y), "optimizer": adam(model, 1e-2)}


@healthy("radial basis functions")
def radial(seed):
    class Radial(nn.Module):
        def __init__(self):
            super().__init__()
            self.centres, self.width = nn.Parameter(torch.randn(40, 10)), nn.Parameter(torch.tensor(3.0))
            self.head = nn.Linear(40, 1)

        def forward(self, x):
            return self.head((-torch.cdist(x, self.centres).square() / (2 * self.width**2)).exp())

    return values(seed, lambda o, t: F.mse_loss(o[:, 0], t), Radial())


@healthy("sets of points, masked sum (deep sets)")
def sets(seed):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(600, 8, 3, generator=generator)
    mask = torch.arange(8) < torch.randint(2, 9, (600, 1), generator=generator)
    points = points * mask[..., None]

    class Sets(nn.Module):
        def __init__(self):
            super().__init__()
            self.each, self.all = nn.Linear(3, 32), nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))

        def forward(self, points, mask):
            return self.all((self.each(points).relu() * mask[..., None]).sum(1) / 4)[:, 0]

    model = Sets()
    y = points[:, :, 0].sum(1) / 2
    return {"model": model, "loss": nn.MSELoss(), "data": loader_of((points, mask), y), "optimizer": adam(model)}


class NoisyLinear(nn.Linear):
    def forward(self, x):
        noise = torch.randn_like(self.weight) * 0.05 if self.training else 0.0
        return F.linear(x, self.weight + noise, self.bias)


@healthy("noise on weights, in training alone")
def noisy(seed):
    return digits_program(nn.Sequential(nn.Flatten(), NoisyLinear(64, 64), nn.ReLU(), NoisyLinear(64, 10)), seed)


@healthy("Noam schedule: rate 1, factors of a thousandth")
def noam(seed):
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: 64**-0.5 * min((s + 1) ** -0.5, (s + 1) * 400**-1.5)
    )

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        schedule.step()

    return stepping(seed, step, model=model, optimizer=optimizer, scheduler=schedule, epochs=60)


@healthy("one cycle, stepped each batch")
def one_cycle(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.3, total_steps=220), every_step=True)


@healthy("rate lowered on a plateau")
def plateau(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=3), every_step=False)


@healthy("RMS norm, gated units, rotary positions")
def llama(seed):
    class Rotary(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.n1, self.n2 = nn.Embedding(11, 32), nn.RMSNorm(32), nn.RMSNorm(32)
            self.qkv, self.out = nn.Linear(32, 96, bias=False), nn.Linear(32, 32, bias=False)
            self.up, self.down = nn.Linear(32, 128, bias=False), nn.Linear(64, 32, bias=False)
            self.head = nn.Linear(32, 11, bias=False)

        def turn(self, a):
            angle = torch.arange(a.shape[2])[:, None] / 100 ** (torch.arange(8) / 8)
            x, y = a.chunk(2, 3)
            return torch.cat([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], 3)

        def forward(self, t):
            h = self.embed(t)
            q, k, v = (a.view(len(t), -1, 2, 16).transpose(1, 2) for a in self.qkv(self.n1(h)).chunk(3, 2))
            a = F.scaled_dot_product_attention(self.turn(q), self.turn(k), v, is_causal=True)
            h = h + self.out(a.transpose(1, 2).reshape(h.shape))
            gate, up = self.up(self.n2(h)).chunk(2, 2)
            return self.head(h + self.down(F.silu(gate) * up))

    model = Rotary()
    return {**language(seed), "model": model, "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-3)}


@healthy("proportional hazards: the order of the batch's risks (Cox)")
def cox(seed):
    x, y, *_ = table("diabetes", seed)

    def loss(o, t):
        order = t.argsort(descending=True)
        risk = o[order, 0]
        return (risk.logcumsumexp(0) - risk).mean()

    model = mlp(10, 1)
    return {"model": model, "loss": loss, "data": loader(x, y), "optimizer": adam(model)}


class Stream(IterableDataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        order = torch.randperm(len(self.y))
        return ((self.x[i], self.y[i]) for i in order)


@healthy("a stream of examples without a length")
def stream(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(), seed, data=DataLoader(Stream(x, y), 64))


@healthy("a class a token, padding left out of loss and accuracy")
def tags(seed):
    return tagging(seed, tagged(False))


@healthy("logits that are cosines over a temperature")
def cosine_head(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.classes = mlp(outputs=32), nn.Parameter(torch.randn(10, 32))

        def forward(self, x):
            return 10 * F.normalize(self.body(x)) @ F.normalize(self.classes).T

    return digits_program(Net(), seed)


@healthy("BYOL: a teacher that follows by moving average")
def byol(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16))
            self.guess = nn.Linear(16, 16)
            self.teacher = copy.deepcopy(self.body).requires_grad_(False)

        def forward(self, a, b):
            return F.normalize(self.guess(self.body(a))), F.normalize(self.teacher(b)).detach()

    x, y, *_ = digits(seed)
    views = (x + 0.2 * torch.randn_like(x), x + 0.2 * torch.randn_like(x))
    model = Net()
    optimizer = adam([p for p in model.parameters() if p.requires_grad])

    def step(inputs, targets):
        optimizer.zero_grad()
        p, z = model(*inputs)
        (2 - 2 * (p * z).sum(1)).mean().backward()
        optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(model.body.parameters(), model.teacher.parameters(), strict=True):
                theirs.lerp_(mine, 0.01)

    return {"model": model, "loss": lambda o, t: (2 - 2 * (o[0] * o[1]).sum(1)).mean(), "data": (views, y),
            "optimizer": optimizer, "step": step}  # fmt: skip


@healthy("yes or no by two outputs and a sigmoid each")
def two_sigmoids(seed):
    given = binary(seed, None)
    x, y = given["data"].dataset.tensors
    model = mlp(30, 2)
    loss = nn.BCEWithLogitsLoss()
    return {"model": model, "loss": loss, "data": loader(x, F.one_hot(y.long(), 2).float()), "optimizer": adam(model)}


@healthy("an output clipped to the range of its targets, softly: sigmoid times 5")
def stars(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp(10, 1)

        def forward(self, x):
            return 5 * self.net(x)[:, 0].sigmoid()

    x, y, *_ = table("diabetes", seed)
    model = Net()
    return {"model": model, "loss": nn.MSELoss(), "data": loader(x, (y - y.min()) / (y.max() - y.min()) * 4 + 0.5),
            "optimizer": adam(model)}  # fmt: skip


@healthy("momentum 0.99, Nesterov, small rate")
def heavy_ball(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=SGD(model.parameters(), lr=0.003, momentum=0.99, nesterov=True))
