"""Bugs out of reports, in steps, optimizers and evaluations.

Among them pytorch#59925 (layers in a list), spro/practical-pytorch#9 (who holds the parameters), Lightning#9599
(clipped before unscaling), Auto-PyTorch#211 and ClimaX#25 (units of schedules), torchseq#8 (the last part of a batch
left out), and an addcmul on MPS that wrote into a copy.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from plants import adam, bug, digits_program, mlp
from torch import nn

from bugs.evaluation import evaluated
from bugs.loss import binary
from bugs.model import language
from bugs.optimisation import scheduled, stepping

SGD = torch.optim.SGD


class Listed(nn.Module):
    """pytorch#59925: layers in a Python list are not the model's."""

    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(64, 64), nn.Linear(64, 64)]
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.hidden:
            x = layer(x).relu()
        return self.head(x)


@bug("optimisation", "layers in a Python list", "registered_parameters")
def listed(seed):
    return digits_program(Listed(), seed)


@bug("optimisation", "a weight that is a plain tensor", "registered_parameters")
def plain(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = (torch.randn(64, 32) / 8).requires_grad_()
            self.head = nn.Linear(32, 10)

        def forward(self, x):
            return self.head((x.flatten(1) @ self.w).relu())

    return digits_program(Net(), seed)


@bug("optimisation", "a layer made in the first forward pass, after the optimizer", "registered_parameters")
def lazily(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(64, 32), None

        def forward(self, x):
            x = self.first(x.flatten(1)).relu()
            if self.head is None:
                self.head = nn.Linear(x.shape[1], 10)
            return self.head(x)

    return digits_program(Net(), seed)


@bug("optimisation", "weights tied after the optimizer was made", "optimizer_parameters")
def tied_late(seed):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn, self.head = nn.Embedding(11, 32), nn.GRU(32, 32, batch_first=True), nn.Linear(32, 11)
            nn.init.normal_(self.embed.weight, std=0.1)

        def forward(self, t):
            return self.head(self.rnn(self.embed(t))[0])

    model = Net()
    optimizer = adam(model)
    model.embed.weight = nn.Parameter(model.head.weight.detach().clone())
    model.head.weight = model.embed.weight
    return {**language(seed), "model": model, "optimizer": optimizer}


@bug("optimisation", "one group's learning rate is 0", "weights_move")
def zero_group(seed):
    model = mlp()
    groups = [{"params": model[1].parameters(), "lr": 0.0}, {"params": model[3].parameters()}]
    return digits_program(model, seed, optimizer=torch.optim.Adam(groups, lr=1e-3))


class Lossy(torch.optim.Optimizer):
    """As Adam's addcmul on MPS did for weights that are not contiguous: the result goes into a copy."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data.contiguous().sub_(p.grad, alpha=group["lr"])


@bug("optimisation", "updates of weights that are not contiguous are lost", "weights_move")
def lossy(seed):
    model = mlp()
    model[1].weight = nn.Parameter(model[1].weight.detach().t().contiguous().t())
    return digits_program(model, seed, optimizer=Lossy(model.parameters(), 0.1))


@bug("optimisation", "warm restarts counted in epochs, stepped each batch", "schedule_unit")
def restarts(seed):
    return scheduled(
        seed, lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=10), every_step=True, epochs=30
    )


@bug("optimisation", "milestones in epochs, stepped each batch", "schedule_unit")
def milestones(seed):
    return scheduled(seed, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [8, 15]), every_step=True, epochs=20)


@bug("optimisation", "clipped before the loss scale is taken out", "gradient_scale")
def clipped_scaled(seed):
    model = mlp()
    optimizer = SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        scaler.scale(F.cross_entropy(model(x), y)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    return stepping(seed, step, model=model, optimizer=optimizer)


@bug("optimisation", "backward twice", "gradient_scale")
def twice(seed):
    model = mlp()

    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward(retain_graph=True)
        loss.backward()
        optimizer.step()

    return stepping(seed, step, model=model, optimizer=SGD(model.parameters(), lr=0.05))


@bug("optimisation", "decoupled decay times rate near 1", "regularizer_share")
def heavy_decay(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=50))


@bug("optimisation", "a copy of the model is trained", "step_order")
def trains_copy(seed):
    model = mlp()
    other = copy.deepcopy(model)
    opt = adam(other)

    def step(inputs, targets):
        opt.zero_grad()
        F.cross_entropy(other(inputs), targets).backward()
        opt.step()

    return digits_program(model, seed, step=step)


@bug("optimisation", "Adam with eps 1", "adam_betas")
def eps(seed):
    model = mlp()
    return digits_program(model, seed, optimizer=torch.optim.Adam(model.parameters(), lr=1e-4, eps=1.0))


@bug("evaluation", "eval() after the first batch", "eval_mode")
def late_eval(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        total = count = 0
        for x, y in loader:
            total += F.cross_entropy(model(x), y, reduction="sum").item()
            count += len(y)
            model.eval()
        model.train()
        return total / count

    return evaluated(seed, evaluate)


@bug("evaluation", "totals that are not reset between evaluations", "example_weights", "every_batch")
def not_reset(seed):
    totals = [0.0, 0]

    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        for x, y in loader:
            totals[0] += F.cross_entropy(model(x), y, reduction="sum").item()
            totals[1] += len(y)
        model.train()
        return totals[0] / totals[1]

    program = evaluated(seed, evaluate)
    evaluate(
        program["model"], [(program["data"].dataset.tensors[0][:200] * 3, program["data"].dataset.tensors[1][:200])]
    )
    return program


@bug("evaluation", "trains on validation data", "eval_mode")
def trains_on_val(seed):
    def evaluate(model, optimizer, loader):
        total = count = 0
        model.eval()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            count += len(y)
        model.train()
        return total / count

    return evaluated(seed, evaluate)


@bug("evaluation", "logits cut at 0.5", "accuracy_right")
def cut(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        total = good = count = 0
        for x, y in loader:
            o = model(x)[:, 0]
            total += F.binary_cross_entropy_with_logits(o, y, reduction="sum").item()
            good += ((o > 0.5) == (y > 0.5)).sum().item()
            count += len(y)
        return {"loss": total / count, "accuracy": good / count}

    return {**binary(seed, lambda o, t: F.binary_cross_entropy_with_logits(o[:, 0], t)), "evaluate": evaluate}


@bug("optimisation", "the last of four parts of a batch left out", "whole_batch")
def part_left_out(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        for part in range(3):
            rows = slice(part * len(x) // 4, (part + 1) * len(x) // 4)
            (F.cross_entropy(model(x[rows]), y[rows]) / 4).backward()
        optimizer.step()

    return stepping(seed, step)


@bug("optimisation", "optimizer made anew in each step (momentum lost)", "step_order")
def anew(seed):
    model = mlp()

    def step(inputs, targets):
        opt = SGD(model.parameters(), lr=0.05, momentum=0.9)
        opt.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        opt.step()

    return digits_program(model, seed, step=step, optimizer=SGD(model.parameters(), lr=0.05, momentum=0.9))


@bug("optimisation", "one weight's gradient set to None", "weights_move")
def partial_zero(seed):
    def step(model, optimizer, x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        model[1].weight.grad = None
        optimizer.step()

    return stepping(seed, step)
