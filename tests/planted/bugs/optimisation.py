from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import Config, adam, bug, digits_program, mlp
from torch import nn


def stepping(seed, step, *, model=None, optimizer=None, **others):
    """A program with a training step of its own."""
    model = model or mlp()
    optimizer = optimizer or adam(model)

    def bound(inputs, targets):
        return step(model, optimizer, inputs, targets)

    return digits_program(model, seed, optimizer=optimizer, step=bound, **others)


@bug("optimisation", "missing zero_grad", "fresh_gradients")
def missing_zero_grad(seed):
    def step(model, optimizer, x, y):
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return stepping(seed, step)


@bug("optimisation", "missing zero_grad (SGD, momentum)", "fresh_gradients")
def missing_zero_grad_sgd(seed):
    def step(model, optimizer, x, y):
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    model = mlp()
    return stepping(seed, step, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))


@bug("optimisation", "step order (zero_grad after backward)", "step_order")
def cleared(seed):
    def step(model, optimizer, x, y):
        F.cross_entropy(model(x), y).backward()
        optimizer.zero_grad()
        optimizer.step()

    return stepping(seed, step)


@bug("optimisation", "step order (step before backward)", "step_order")
def early(seed):
    def step(model, optimizer, x, y):
        loss = F.cross_entropy(model(x), y)
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()

    return stepping(seed, step)


@bug("optimisation", "no step at all", "step_order")
def no_step(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()

    return stepping(seed, step)


@bug("optimisation", "the step maximises", "step_direction")
def maximises(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=torch.optim.SGD(model.parameters(), lr=0.05, maximize=True))


@bug("optimisation", "learning rate too high", "learning_rate")
def high(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=adam(model, 1.0))


@bug("optimisation", "learning rate too high (SGD)", "learning_rate")
def high_sgd(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=torch.optim.SGD(model.parameters(), lr=50.0))


@bug("optimisation", "learning rate too low", "learning_rate")
def low(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=adam(model, 1e-7))


@bug("optimisation", "learning rate too low (SGD)", "learning_rate")
def low_sgd(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=torch.optim.SGD(model.parameters(), lr=1e-5))


@bug("optimisation", "learning rate too high (config)", "learning_rate")
def config_high(seed):
    return Config(("optimizer.lr=3",))


@bug("optimisation", "learning rate too low (config)", "learning_rate")
def config_low(seed):
    return Config(("optimizer=sgd", "optimizer.lr=1e-7"))


@bug("optimisation", "stale optimizer (head replaced)", "optimizer_parameters")
def stale(seed):
    model = mlp()
    optimizer = adam(model)
    model[-1] = nn.Linear(64, 10)
    return digits_program(model, seed, optimizer=optimizer)


@bug("optimisation", "stale optimizer (another copy)", "optimizer_parameters")
def other_copy(seed):
    return digits_program(mlp(), seed, optimizer=adam(mlp()))


@bug("optimisation", "optimizer of the head alone", "optimizer_parameters")
def head_alone(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=adam(model[-1]))


@bug("optimisation", '"frozen" weights that train (attribute)', "frozen_stays")
def frozen_attribute(seed):
    model = mlp()
    model[1].requires_grad = False
    return digits_program(model, seed)


@bug("optimisation", '"frozen" weights that train (decay)', "frozen_stays")
def frozen_decay(seed):
    model = mlp()
    return digits_program(
        model, seed, optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1), frozen=("1.",)
    )


@bug("optimisation", '"frozen" batch norm that adapts', "frozen_stays")
def frozen_norm(seed):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
    for part in model[1:3]:
        part.requires_grad_(False)
    return digits_program(model, seed, optimizer=adam(model[-1]), frozen=("1.", "2."))


def scheduled(seed, make, *, every_step, epochs=10):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = make(optimizer)

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        if every_step:
            scheduler.step()

    return stepping(seed, step, model=model, optimizer=optimizer, scheduler=scheduler, epochs=epochs)


@bug("optimisation", "schedule stepped at the wrong rate (cosine of epochs, each step)", "schedule_unit")
def cosine_steps(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10), every_step=True)


@bug("optimisation", "schedule stepped at the wrong rate (one cycle of steps, each epoch)", "schedule_unit")
def cycle_epochs(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=220), every_step=False)


@bug("optimisation", "schedule stepped at the wrong rate (decay of epochs, each step)", "schedule_unit")
def decay_steps(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.3), every_step=True)
