"""Bugs out of public issues, in steps, schedules, data and evaluations.

VGRNN#4 and graphstorm#1366 (clipped after the step), YOLO#97 and diffusers#2321 (averaged weights put back),
torchtrain forks of WGAN (clamped weights), soundbay#49 (weights a class given to a sampler of examples),
neuralforecast#720 and graphium#331 (targets of validation in another unit),
chainer-cifar10#1 and LMFlow#347 (counts of an accuracy).
"""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits, digits_program, loader, mlp, table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

from bugs.evaluation import evaluated, right
from bugs.optimisation import scheduled, stepping

SGD = torch.optim.SGD


@bug("optimisation", "clipped after the step", "gradient_scale")
def clipped_after(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)

    return stepping(seed, step)


@bug("optimisation", "averaged weights that are never updated, put back in each step", "weights_kept")
def put_back(seed):
    model = mlp()
    shadow = copy.deepcopy(model.state_dict())

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        model.load_state_dict(shadow)

    return stepping(seed, step, model=model)


@bug("optimisation", "averaged weights written into the model that trains", "weights_kept")
def diluted(seed):
    model = mlp()
    shadow = copy.deepcopy(model.state_dict())

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        for name, value in model.state_dict().items():
            shadow[name] = 0.9999 * shadow[name] + 0.0001 * value
        model.load_state_dict(shadow)

    return stepping(seed, step, model=model)


@bug("optimisation", "weights clamped to ±0.01 in each step", "weights_kept")
def clamped_weights(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            for p in model.parameters():
                p.clamp_(-0.01, 0.01)

    return stepping(seed, step)


@bug("optimisation", "a loss that was not scaled is unscaled", "gradient_scale")
def unscaled(seed):
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    scaler.scale(torch.zeros(1))  # its scale is made at the first use

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        scaler.step(optimizer)
        scaler.update()

    return stepping(seed, step, model=model, optimizer=optimizer)


@bug("optimisation", "cleared for each of the parts that should add up", "whole_batch")
def cleared_parts(seed):
    def step(model, optimizer, x, y):
        for part, labels in zip(x.chunk(4), y.chunk(4), strict=True):
            optimizer.zero_grad()
            (F.cross_entropy(model(part), labels) / 4).backward()
        optimizer.step()

    return stepping(seed, step)


@bug("optimisation", "LambdaLR given rates, not factors", "schedule_unit", "learning_rate")
def rates_for_factors(seed):
    def make(optimizer):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1e-3 * 0.95**epoch)

    given = scheduled(seed, make, every_step=False)
    return given


@bug("optimisation", "a warm-up by whole-number division", "schedule_unit", "learning_rate")
def whole_division(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: step // 1000), every_step=True)


@bug("optimisation", "the schedule of another optimizer", "schedule_unit")
def other_optimizer(seed):
    model = mlp()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(SGD(model.parameters(), lr=0.1), 10)
    optimizer = SGD(model.parameters(), lr=0.1)
    return digits_program(model, seed, optimizer=optimizer, scheduler=schedule, epochs=10)


@bug("optimisation", "each step trains on the first batch", "whole_batch", "step_direction")
def first_batch(seed):
    x, y, *_ = digits(seed)
    first = x[:64], y[:64]

    def step(model, optimizer, inputs, targets):
        optimizer.zero_grad()
        F.cross_entropy(model(first[0]), first[1]).backward()
        optimizer.step()

    return stepping(seed, step)


@bug("optimisation", "the losses of the epoch so far, backward", "step_order", "fresh_gradients")
def running_loss(seed):
    total = []

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        total.append(F.cross_entropy(model(x), y))
        sum(total).backward(retain_graph=True)
        optimizer.step()

    return stepping(seed, step)


@bug("data", "a sampler of examples given the classes' weights", "inputs_vary")
def class_sampler(seed):
    x, y, *_ = digits(seed)
    weights = 1 / torch.bincount(y).double()
    sampler = WeightedRandomSampler(weights, len(y))
    return digits_program(mlp(), seed, data=DataLoader(TensorDataset(x, y), 64, sampler=sampler), val=None)


@bug("data", "targets standardised in training alone", "split_scale")
def other_unit(seed):
    x, y, vx, vy = table("diabetes", seed)
    model = mlp(10, 1)
    return {
        "model": model, "loss": lambda o, t: F.mse_loss(o[:, 0], t), "data": loader(x, (y - y.mean()) / y.std()),
        "val": loader(vx, vy, shuffle=False), "optimizer": adam(model),
    }  # fmt: skip


@bug("data", "windows of one series split at random", "split_overlap")
def overlapping_windows(seed):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(900, generator=generator)
    for i in range(1, 900):
        series[i] = 0.8 * series[i - 1] + 0.6 * series[i]
    windows = series.unfold(0, 21, 1)
    windows = windows[torch.randperm(len(windows), generator=generator)]
    x, y = windows[:, :20].contiguous(), windows[:, 20].contiguous()
    model = mlp(20, 1)
    return {
        "model": model, "loss": lambda o, t: F.mse_loss(o[:, 0], t), "data": loader(x[:700], y[:700]),
        "val": loader(x[700:], y[700:], shuffle=False), "optimizer": adam(model),
    }  # fmt: skip


@bug("reproducibility", "augmentation from a generator that nobody seeds", "same_data", "same_seed")
def unseeded_augmentation(seed):
    rng = np.random.default_rng()

    def noise(inputs):
        return inputs + torch.tensor(rng.normal(0, 0.1, inputs.shape), dtype=torch.float32)

    return digits_program(mlp(), seed, augment=noise)


@bug("reproducibility", "the step seeds from the clock", "same_seed")
def clock(seed):
    def step(model, optimizer, x, y):
        torch.manual_seed(time.perf_counter_ns())
        optimizer.zero_grad()
        F.cross_entropy(model(x + 0.1 * torch.randn_like(x)), y).backward()
        optimizer.step()

    return stepping(seed, step)


@bug("evaluation", "correct answers over batches times the batch size", "accuracy_right")
def batches_times_size(seed):
    def evaluate(model, loader):
        given = right(model, loader)
        count = sum(len(y) for _, y in loader)
        return {**given, "accuracy": given["accuracy"] * count / (len(loader) * len(loader[0][1]))}

    return evaluated(seed, evaluate)


@bug("evaluation", "the greatest value compared, not its place", "accuracy_right")
def greatest_value(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        given = right(model, loader)
        model.eval()
        hits = sum((model(x).max(1)[0] == y).sum().item() for x, y in loader)
        model.train()
        return {**given, "accuracy": hits / sum(len(y) for _, y in loader)}

    return evaluated(seed, evaluate)


@bug("evaluation", "each mean loss times the full batch size", "example_weights")
def full_size(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        size, total = len(loader[0][1]), 0.0
        for x, y in loader:
            total += F.cross_entropy(model(x), y).item() * size
        model.train()
        return total / sum(len(y) for _, y in loader)

    return evaluated(seed, evaluate)


@bug("evaluation", "softmax before the loss, in the evaluation alone", "example_weights")
def other_loss(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        total = sum(F.cross_entropy(model(x).softmax(1), y, reduction="sum").item() for x, y in loader)
        model.train()
        return total / sum(len(y) for _, y in loader)

    return evaluated(seed, evaluate)


def tagging(seed, evaluate):
    """A class a token, -100 where there is padding."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 12, (600, 10), generator=generator)
    padding = torch.arange(10) >= torch.randint(6, 11, (600, 1), generator=generator)
    tokens = tokens.masked_fill(padding, 0)
    labels = (tokens % 3).masked_fill(padding, -100)
    model = nn.Sequential(nn.Embedding(12, 16, padding_idx=0), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 3))
    loss = lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten())  # noqa: E731
    return {
        "model": model, "loss": loss, "data": loader(tokens[:480], labels[:480]),
        "val": loader(tokens[480:], labels[480:], shuffle=False), "optimizer": adam(model), "evaluate": evaluate,
    }  # fmt: skip


def tagged(padding_counts):
    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        hits = count = 0
        for x, y in loader:
            here = torch.ones_like(y, dtype=torch.bool) if padding_counts else y >= 0
            hits += (model(x).argmax(2) == y)[here].sum().item()
            count += here.sum().item()
        model.train()
        return {"accuracy": hits / count}

    return evaluate


@bug("evaluation", "padding counts in the accuracy", "accuracy_right")
def padding_counts(seed):
    return tagging(seed, tagged(True))


@bug("optimisation", "the gradient of every weight divided by its own size", "learning_rate", "gradient_scale")
def sign_sgd(seed):
    model = mlp()

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        for p in model.parameters():
            p.grad.div_(p.grad.norm() * 1e-3)
        optimizer.step()

    return stepping(seed, step, model=model, optimizer=SGD(model.parameters(), lr=0.01))


@bug("data", "labels of the sorted file names, inputs as listed", "labels_aligned")
def sorted_names(seed):
    x, y, *_ = digits(seed)
    order = sorted(range(len(x)), key=str)
    return digits_program(mlp(), seed, data=(x, y[order]), val=None)


@bug("data", "the identity of the group as a feature that gives the class away", "target_leakage")
def group_feature(seed):
    x, y, *_ = table("wine", seed)
    x = x.clone()
    x[:, 0] = torch.tensor([-1.2, 0.4, 1.1])[y]
    model = mlp(13, 3)
    return {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x, y), "optimizer": adam(model)}
