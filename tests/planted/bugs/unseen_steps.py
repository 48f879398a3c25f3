"""Bugs of training steps that people report: optimizers' settings, schedules, parts of a batch, networks beside."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits_program, mlp
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

from bugs.evaluation import right
from bugs.optimisation import scheduled, stepping

PER_EPOCH = 22  # batches of 64 digits


def with_optimizer(seed, make):
    model = mlp()
    return digits_program(model, seed, optimizer=make(model.parameters()))


@bug("optimisation", "Adam's betas swapped", "adam_betas")
def swapped(seed):
    return with_optimizer(seed, lambda p: torch.optim.Adam(p, 1e-3, betas=(0.999, 0.9)))


@bug("optimisation", "the decay given in eps's place", "adam_betas")
def decay_as_eps(seed):
    return with_optimizer(seed, lambda p: torch.optim.AdamW(p, 1e-3, (0.9, 0.999), 0.1))


@bug("optimisation", "Adam's eps 0: nothing over nothing where a gradient is zero", "adam_betas", "learning_rate")
def no_eps(seed):
    return with_optimizer(seed, lambda p: torch.optim.Adam(p, 1e-3, eps=0.0))


@bug("optimisation", "momentum 0.9999", "learning_rate")
def long_momentum(seed):
    return with_optimizer(seed, lambda p: torch.optim.SGD(p, 0.01, momentum=0.9999))


@bug("optimisation", "momentum 9", "learning_rate")
def momentum_nine(seed):
    return with_optimizer(seed, lambda p: torch.optim.SGD(p, 0.01, momentum=9))


def plateau(seed, patience):
    """A schedule that is given the loss of each batch."""
    model = mlp()
    optimizer = adam(model)
    scheduler = ReduceLROnPlateau(optimizer, patience=patience, factor=0.1)

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step(loss.item())

    return stepping(seed, step, model=model, optimizer=optimizer, scheduler=scheduler, epochs=30)


@bug("optimisation", "a plateau's schedule asked at each batch", "schedule_unit")
def plateau_each_batch(seed):
    return plateau(seed, 3)


@bug("optimisation", "one cycle over half of the run", "schedule_unit")
def half_cycle(seed):
    return scheduled(seed, lambda o: OneCycleLR(o, 0.1, total_steps=5 * PER_EPOCH), every_step=True)


@bug("optimisation", "a cosine over half of the run: the rate rises again", "schedule_unit")
def half_cosine(seed):
    return scheduled(seed, lambda o: CosineAnnealingLR(o, 5 * PER_EPOCH), every_step=True)


@bug("optimisation", "one cycle of batches, advanced once in four", "schedule_unit")
def cycle_in_parts(seed):
    return in_parts(seed, 4, lambda o: OneCycleLR(o, 0.1, total_steps=20 * PER_EPOCH))


@bug("optimisation", "a cosine that ends above its start", "schedule_unit")
def rising_cosine(seed):
    return scheduled(seed, lambda o: CosineAnnealingLR(o, 10, eta_min=1.0), every_step=False)


def in_parts(seed, parts, schedule, share=None):
    """Plain descent that updates once in ``parts`` calls."""
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = schedule(optimizer)
    calls = []

    def step(model, optimizer, x, y):
        calls.append(1)
        (F.cross_entropy(model(x), y) / parts).backward()
        if len(calls) % parts == 0:
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()

    return stepping(seed, step, model=model, optimizer=optimizer, scheduler=scheduler, epochs=20)


class OwnAdam(torch.optim.Optimizer):
    def __init__(self, parameters, lr=1e-3, *, square=True):
        super().__init__(parameters, {"lr": lr, "square": square})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                s = self.state[p]
                if not s:
                    s["t"], s["m"], s["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                s["t"] += 1
                s["m"].lerp_(p.grad, 0.1)
                s["v"].lerp_(p.grad.square() if group["square"] else p.grad.abs(), 0.001)
                v = s["v"] / (1 - 0.999 ** s["t"])
                p -= group["lr"] * s["m"] / (1 - 0.9 ** s["t"]) / (v.sqrt() + 1e-8)


@bug("optimisation", "divided by the number of parts, but updated at each", "gradient_scale")
def divided_alone(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        (F.cross_entropy(model(x), y) / 8).backward()
        optimizer.step()

    model = mlp()
    return stepping(seed, step, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


@bug("optimisation", "parts of a batch divided twice", "gradient_scale")
def divided_twice(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        for part, target in zip(x.chunk(4), y.chunk(4), strict=True):
            (F.cross_entropy(model(part), target) / 4).backward()
        for p in model.parameters():
            p.grad /= 4
        optimizer.step()

    model = mlp()
    return stepping(seed, step, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


class Teacher(nn.Module):
    """A network whose answers another learns."""

    def __init__(self):
        super().__init__()
        self.net = mlp(middle=[nn.BatchNorm1d(64), nn.Dropout(0.5)])

    def forward(self, x):
        return self.net(x)


def distilled(seed, ready, no_grad=True):
    """A student, its teacher in the step; ``ready(teacher)`` before it begins."""
    teacher = Teacher()
    ready(teacher)

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        with torch.set_grad_enabled(not no_grad):
            soft = teacher(x).softmax(1)
        (F.cross_entropy(model(x), y) + F.kl_div(model(x).log_softmax(1), soft, reduction="batchmean")).backward()
        optimizer.step()

    return stepping(seed, step)


@bug("optimisation", "the teacher answers in training mode", "teacher_mode")
def teacher_trains(seed):
    return distilled(seed, lambda teacher: None)


@bug("optimisation", "the teacher is set to training mode in each step", "teacher_mode")
def teacher_set(seed):
    teacher = Teacher().requires_grad_(False)

    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.student, self.teacher = mlp(), teacher

        def forward(self, x):
            return self.student(x)

    model = Pair()
    optimizer = adam(model.student)

    def step(model, optimizer, x, y):
        model.train()
        optimizer.zero_grad()
        soft = model.teacher(x).softmax(1)
        (F.cross_entropy(model(x), y) + F.kl_div(model(x).log_softmax(1), soft, reduction="batchmean")).backward()
        optimizer.step()

    return stepping(seed, step, model=model, optimizer=optimizer)


def averaged(seed, update):
    """The step keeps an average of the weights, which is evaluated."""
    model = mlp(middle=[nn.BatchNorm1d(64)])
    average = copy.deepcopy(model)

    def step(model, optimizer, x, y):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        update(average, model)

    return stepping(seed, step, model=model, evaluate=lambda loader: right(average, loader))


def follow(average, model, decay=0.99):
    with torch.no_grad():
        for a, p in zip(average.parameters(), model.parameters(), strict=True):
            a.lerp_(p, 1 - decay)


@bug("evaluation", "an average of the weights, with the first statistics of its batch norm", "average_buffers")
def buffers_left(seed):
    return averaged(seed, follow)
