"""Healthy programs that look like those of bugs.unseen_*: no verdict may fail."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from bugs.optimisation import scheduled, stepping
from bugs.unseen_data import brighter, digits_batches, language, raw_heart, stacked, texts, topics
from bugs.unseen_models import Heads, soft_digits, two_tasks
from bugs.unseen_steps import PER_EPOCH, OwnAdam, averaged, distilled, follow, in_parts, plateau, with_optimizer
from plants import digits, digits_program, healthy, loader, mlp
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR
from torch.utils.data import BatchSampler, DataLoader, TensorDataset


@healthy("small batches, classes numbered once")
def small_batches(seed):
    return digits_batches(seed, stacked)


@healthy("each batch has two examples of each class, sorted by class")
def classes_sorted(seed):
    x, y, *_ = digits(seed)

    class Each(BatchSampler):
        def __init__(self):
            self.of = [(y == c).nonzero()[:, 0] for c in range(10)]

        def __iter__(self):
            return (torch.cat([rows[torch.randperm(len(rows))[:2]] for rows in self.of]).tolist() for _ in range(70))

        def __len__(self):
            return 70

    return digits_program(mlp(), seed, data=DataLoader(TensorDataset(x, y), batch_sampler=Each()))


@healthy("nine in ten of class 0, batches of 8")
def rare_classes(seed):
    x, y, vx, vy = digits(seed)
    kept = [(t == 0) | (torch.rand(len(t)) < 0.03) for t in (y, vy)]
    y, vy = y[kept[0]], vy[kept[1]]
    data = DataLoader(TensorDataset(x[kept[0]], y), 8, shuffle=True)
    model = mlp()
    with torch.no_grad():
        model[-1].bias.copy_(torch.bincount(y, minlength=10).clamp(min=1).float().log())
    return digits_program(model, seed, data=data, val=DataLoader(TensorDataset(vx[kept[1]], vy), 8))


@healthy("Adam with betas (0.5, 0.9), eps 1e-3")
def short_betas(seed):
    return with_optimizer(seed, lambda p: torch.optim.Adam(p, 2e-3, betas=(0.5, 0.9), eps=1e-3))


@healthy("Adam with betas (0.95, 0.95)")
def equal_betas(seed):
    return with_optimizer(seed, lambda p: torch.optim.AdamW(p, 1e-3, betas=(0.95, 0.95)))


@healthy("an Adam written anew")
def own_adam(seed):
    return with_optimizer(seed, OwnAdam)


@healthy("Adam with eps 0.1, and a rate that goes with it")
def large_eps(seed):
    return with_optimizer(seed, lambda p: torch.optim.Adam(p, 0.1, eps=0.1))


@healthy("one cycle of updates, one in four calls")
def cycle_of_updates(seed):
    return in_parts(seed, 4, lambda o: OneCycleLR(o, 0.1, total_steps=20 * PER_EPOCH // 4))


@healthy("a plateau's schedule asked at each batch, with the patience of five epochs")
def patient(seed):
    return plateau(seed, 5 * PER_EPOCH)


@healthy("a cosine that ends a little before the run")
def ends_before(seed):
    return scheduled(seed, lambda o: CosineAnnealingLR(o, 9 * PER_EPOCH), every_step=True)


@healthy("gradients of all weights clipped to a norm of 0.3, plain descent")
def clipped_norm(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.3)
        optimizer.step()

    model = mlp()
    return stepping(seed, step, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


@healthy("a teacher in evaluation mode")
def still_teacher(seed):
    return distilled(seed, nn.Module.eval)


@healthy("an average of the weights, with the buffers of the model")
def with_buffers(seed):
    def update(average, model):
        follow(average, model)
        for a, b in zip(average.buffers(), model.buffers(), strict=True):
            a.copy_(b)

    return averaged(seed, update)


@healthy("a step on a critic's answer: the critic has batch norm and is trained elsewhere")
def critic(seed):
    judge = nn.Sequential(nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1))

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        out = model(x)
        (F.cross_entropy(out, y) + 0.01 * F.softplus(-judge(out)).mean()).backward()
        optimizer.step()

    return stepping(seed, step)


@healthy("amounts that are 0 for many, their logarithms")
def many_zeros(seed):
    def change(x):
        x = x.clone()
        x[torch.rand(len(x)) < 0.4, 3] = 0
        x = x.clamp(min=0).log1p()
        return (x - x[:455].mean(0)) / x[:455].std(0)

    return raw_heart(seed, change)


@healthy("columns standardised, then rows of norm 1")
def rows_of_columns(seed):
    return raw_heart(seed, lambda x: F.normalize((x - x[:455].mean(0)) / x[:455].std(0), dim=1) * 5)


@healthy("a table whose later part drifts, one column rarely other than 0")
def drift(seed):
    def change(x):
        x = (x - x[:455].mean(0)) / x[:455].std(0)
        x[:, 5] = (torch.rand(len(x)) < 0.02).float()
        x[455:, :8] = x[455:, :8] * 1.2 + 0.3
        return x

    return raw_heart(seed, change)


@healthy("texts of another mixture of topics in validation, one vocabulary")
def other_mixture(seed):
    tokens, labels = texts(seed)
    rows = np.arange(1000, 1200)[labels[1000:] != 1]
    return topics((tokens[:1000], labels[:1000]), (tokens[rows], labels[rows]))


@healthy("next token of a Zipf vocabulary")
def zipf(seed):
    return language(seed, lambda tokens: tokens)


@healthy("four heads on rows of digits, joined by position")
def heads(seed):
    return digits_program(Heads(lambda out, b, t, width: out.transpose(1, 2).reshape(b, t, width)), seed)


@healthy("two tasks, one ten times the other")
def tasks(seed):
    return two_tasks(seed, 10.0)


@healthy("brightness and contrast of bytes, clamped")
def clamped_bytes(seed):
    return brighter(seed, lambda x: x.clamp(0, 255))


@healthy("batch norm with momentum 0.3, batches of 16")
def shorter_average(seed):
    x, y, *_ = digits(seed)
    return digits_program(mlp(middle=[nn.BatchNorm1d(64, momentum=0.3)]), seed, data=loader(x, y, size=16))


@healthy("divergence from smoothed labels, a mean over the batch")
def batchmean(seed):
    return soft_digits(seed, 0.9, lambda o, t: F.kl_div(o.log_softmax(1), t, reduction="batchmean"))


@healthy("a teacher's soft answers as targets, temperature 2")
def soft_targets(seed):
    x, y, vx, vy = digits(seed)
    soft = [(4 * F.one_hot(t, 10) + torch.randn(len(t), 10)).softmax(1) for t in (y, vy)]
    return digits_program(mlp(), seed, data=loader(x, soft[0]), val=loader(vx, soft[1], shuffle=False),
                          loss=lambda o, t: 4 * F.cross_entropy(o / 2, t))  # fmt: skip
