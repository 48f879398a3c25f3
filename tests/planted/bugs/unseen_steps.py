"""Bugs of training steps that people report: optimizers' settings, schedules, parts of a batch, networks beside."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits_program, mlp
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

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
