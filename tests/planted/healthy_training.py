"""Healthy losses, optimizers and data of unusual kinds: no verdict may fail."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from bugs.loss import values
from bugs.model import Lambda
from bugs.optimisation import scheduled, stepping
from plants import adam, digits, digits_program, healthy, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, Dataset


@healthy("regression of prices, the model scales its output, last bias at the mean")
def prices(seed):
    x, y, *_ = table("diabetes", seed)
    y = y * 1000 + 5e4
    mean, std = y.mean(), y.std()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp(10, 1)

        def forward(self, x):
            return self.net(x)[:, 0] * std + mean

    model = Net()
    return {"model": model, "loss": nn.MSELoss(), "data": loader(x, y), "optimizer": adam(model)}


@healthy("moving average of the weights, kept in the step")
def ema(seed):
    model = mlp()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))

    def step(model, optimizer, x, y):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        average.update_parameters(model)

    return stepping(seed, step, model=model)


@healthy("two rates, no decay on biases and norms")
def groups(seed):
    model = mlp(middle=[nn.LayerNorm(64)])
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    opt = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.1, "lr": 3e-4}, {"params": rest, "weight_decay": 0.0}], lr=1e-3
    )
    return digits_program(model, seed, optimizer=opt)


@healthy("L-BFGS with a closure")
def lbfgs(seed):
    x, y, *_ = table("wine", seed)
    model = nn.Linear(13, 3)
    opt = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)

    def step(inputs, targets):
        def closure():
            opt.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            return loss

        opt.step(closure)

    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": (x, y), "optimizer": opt, "step": step}


@healthy("loss scale taken out before clipping")
def scaled(seed):
    model = mlp()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(x).float(), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    return stepping(seed, step, model=model)


@healthy("variational autoencoder")
def vae(seed):
    x, _y, *_ = digits(seed)

    class Vae(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc, self.dec = mlp(64, 16), mlp(8, 64)

        def forward(self, x):
            mean, log_var = self.enc(x).chunk(2, 1)
            z = mean + (log_var / 2).exp() * torch.randn_like(mean) if self.training else mean
            return self.dec(z), mean, log_var

    model = Vae()

    def loss(out, target):
        recon, mean, log_var = out
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        return F.mse_loss(recon, target.flatten(1)) + 0.001 * kl

    return {"model": model, "loss": loss, "data": loader(x, x), "optimizer": adam(model)}


@healthy("three quantiles, pinball loss")
def pinball(seed):
    q = torch.tensor([0.1, 0.5, 0.9])

    def loss(o, t):
        d = t[:, None] - o
        return torch.maximum(q * d, (q - 1) * d).mean()

    return values(seed, loss, mlp(10, 3))


@healthy("counts, Poisson likelihood")
def poisson(seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(800, 6, generator=g)
    y = torch.poisson((x[:, 0] * 0.6 + x[:, 1].abs() * 0.5 + 0.5).exp(), generator=g)
    model = mlp(6, 1)
    crit = nn.PoissonNLLLoss()
    return {"model": model, "loss": lambda o, t: crit(o[:, 0], t), "data": loader(x, y), "optimizer": adam(model)}


@healthy("small U-Net, BCE and Dice")
def unet(seed):
    x, _y, *_ = digits(seed)
    target = (x > 0).float()
    x = x + 0.5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))

    class Unet(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (
                nn.Conv2d(1, 16, 3, padding=1),
                nn.Conv2d(16, 32, 3, padding=1),
                nn.Conv2d(48, 16, 3, padding=1),
            )
            self.na, self.nb = nn.BatchNorm2d(16), nn.BatchNorm2d(32)
            self.out = nn.Conv2d(16, 1, 1)

        def forward(self, x):
            a = self.na(self.a(x)).relu()
            b = self.nb(self.b(F.max_pool2d(a, 2))).relu()
            up = F.interpolate(b, scale_factor=2)
            return self.out(self.c(torch.cat([a, up], 1)).relu())

    model = Unet()

    def loss(o, t):
        p, f = o.sigmoid().flatten(1), t.flatten(1)
        return (
            F.binary_cross_entropy_with_logits(o, t) + (1 - (2 * (p * f).sum(1) + 1) / (p.sum(1) + f.sum(1) + 1)).mean()
        )

    return {"model": model, "loss": loss, "data": loader(x, target), "optimizer": adam(model)}


def views(seed):
    """Two noisy views of each picture, and its label."""
    x, y, *_ = digits(seed)
    g = torch.Generator().manual_seed(seed)
    a, b = (x + 0.3 * torch.randn(x.shape, generator=g) for _ in range(2))
    return a, b, y


def pairs_of_views(outputs):
    """Normalised embeddings of two views, (examples, 2, outputs)."""
    return Lambda(lambda m, a, b: F.normalize(torch.stack([m["net"](a), m["net"](b)], 1), dim=2), net=mlp(64, outputs))


@healthy("two views, in-batch negatives (InfoNCE)")
def info_nce(seed):
    a, b, y = views(seed)
    model = pairs_of_views(16)

    def loss(o, t):
        return F.cross_entropy(o[:, 0] @ o[:, 1].T / 0.2, torch.arange(len(o)))

    class Ds(Dataset):
        def __len__(self):
            return len(y)

        def __getitem__(self, i):
            return a[i], b[i], y[i]

    return {"model": model, "loss": loss, "data": DataLoader(Ds(), 64, shuffle=True), "optimizer": adam(model)}


@healthy("twelve rows, linear regression")
def twelve(seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(12, 2, generator=g)
    y = x @ torch.tensor([1.0, -0.5]) + 0.1 * torch.randn(12, generator=g)
    model = nn.Linear(2, 1)
    return {"model": model, "loss": lambda o, t: F.mse_loss(o[:, 0], t), "data": (x, y), "optimizer": adam(model, 1e-2)}


@healthy("two in a hundred positive, last bias at the log prior")
def rare(seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(2000, 8, generator=g)
    y = (x[:, 0] + x[:, 1] + 0.2 * torch.randn(2000, generator=g) > 2.9).float()
    model = mlp(8, 1)
    nn.init.constant_(model[-1].bias, float(torch.logit(y.mean())))
    return {
        "model": model,
        "loss": lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t),
        "data": loader(x, y),
        "optimizer": adam(model),
    }


@healthy("distilled: teacher's answers and labels")
def distil(seed):
    x, y, *_ = digits(seed)
    teacher = mlp()
    opt = adam(teacher, 1e-2)
    for _ in range(60):
        opt.zero_grad()
        F.cross_entropy(teacher(x), y).backward()
        opt.step()
    with torch.no_grad():
        soft = (teacher(x) / 2).softmax(1)

    def loss(o, t):
        return 0.9 * 4 * F.kl_div((o / 2).log_softmax(1), t, reduction="batchmean") + 0.1 * F.cross_entropy(
            o, t.argmax(1)
        )

    return digits_program(mlp(), seed, data=loader(x, soft), val=None, loss=loss)


@healthy("sharpness-aware minimisation")
def sam(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        ps = [p for p in model.parameters() if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in ps]).norm()
        with torch.no_grad():
            es = [p.grad * 0.05 / norm for p in ps]
            for p, e in zip(ps, es, strict=True):
                p.add_(e)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for p, e in zip(ps, es, strict=True):
                p.sub_(e)
        optimizer.step()

    return stepping(seed, step)


@healthy("multi-class hinge loss")
def hinge(seed):
    return digits_program(mlp(), seed, loss=nn.MultiMarginLoss())


@healthy("siamese triplets, margin")
def triplets(seed):
    x, y, *_ = digits(seed)
    g = torch.Generator().manual_seed(seed)
    pos = torch.stack([x[torch.multinomial((y == c).float(), 1, generator=g)[0]] for c in y])
    neg = torch.stack([x[torch.multinomial((y != c).float(), 1, generator=g)[0]] for c in y])

    class Three(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp(64, 16)

        def forward(self, a, p, n):
            return torch.stack([self.net(a), self.net(p), self.net(n)], 1)

    model = Three()
    return {
        "model": model,
        "loss": lambda o, t: F.triplet_margin_loss(o[:, 0], o[:, 1], o[:, 2]),
        "data": ((x, pos, neg), y),
        "optimizer": adam(model),
    }


@healthy("a loss with a weight of its own, which the optimizer has")
def own_weight(seed):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(()))

        def forward(self, outputs, targets):
            return F.cross_entropy(outputs * self.log_scale.exp(), targets)

    model, loss = mlp(), Scaled()
    optimizer = torch.optim.Adam([*model.parameters(), *loss.parameters()], lr=1e-3)
    return digits_program(model, seed, loss=loss, optimizer=optimizer)


@healthy("learning rate warm-up from 0 by LambdaLR, stepped each batch")
def warm0(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda s: min(1.0, s / 30)), every_step=True)


@healthy("Lion-like sign updates")
def sign(seed):
    class Sign(torch.optim.Optimizer):
        def __init__(self, ps, lr):
            super().__init__(ps, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for g in self.param_groups:
                for p in g["params"]:
                    if p.grad is not None:
                        p.sub_(p.grad.sign(), alpha=g["lr"])

    m = mlp()
    return digits_program(m, seed, optimizer=Sign(m.parameters(), 3e-4))


@healthy("ordinal regression of standardised ratings -2 to 2 (integers)")
def ratings(seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(800, 6, generator=g)
    y = (x[:, 0] + 0.4 * torch.randn(800, generator=g)).round().clamp(-2, 2)
    m = mlp(6, 1)
    return {"model": m, "loss": lambda o, t: F.mse_loss(o[:, 0], t), "data": loader(x, y), "optimizer": adam(m)}
