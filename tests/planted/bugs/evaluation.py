from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from plants import bug, digits_program, mlp
from torch import nn


def evaluated(seed, evaluate, **others):
    return digits_program(mlp(middle=[nn.BatchNorm1d(64), nn.Dropout(0.3)]), seed, evaluate=evaluate, **others)


@torch.no_grad()
def right(model, loader):
    model.eval()
    total = correct = count = 0
    for x, y in loader:
        outputs = model(x)
        total += F.cross_entropy(outputs, y, reduction="sum").item()
        correct += (outputs.argmax(1) == y).sum().item()
        count += len(y)
    model.train()
    return {"loss": total / count, "accuracy": correct / count}


@bug("evaluation", "no eval()", "eval_mode")
def no_eval(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        return sum(F.cross_entropy(model(x), y).item() * len(y) for x, y in loader) / sum(len(y) for _, y in loader)

    return evaluated(seed, evaluate)


@bug("evaluation", "train() not restored", "mode_restored")
def not_restored(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        return sum(F.cross_entropy(model(x), y).item() * len(y) for x, y in loader) / sum(len(y) for _, y in loader)

    return evaluated(seed, evaluate)


@bug("evaluation", "train/eval gap of batch norm (momentum)", "train_eval_gap")
def momentum(seed):
    norm = nn.BatchNorm1d(64, momentum=0.0001)
    return digits_program(nn.Sequential(nn.Flatten(), nn.Linear(64, 64), norm, nn.ReLU(), nn.Linear(64, 10)), seed)


@bug("evaluation", "short-batch averaging", "example_weights")
def batch_means(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        losses = [F.cross_entropy(model(x), y).item() for x, y in loader]
        model.train()
        return sum(losses) / len(losses)

    return evaluated(seed, evaluate)


@bug("evaluation", "last batch's loss logged", "every_batch")
def last_batch(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
        model.train()
        return {"loss": loss.item()}

    return evaluated(seed, evaluate)


@bug("evaluation", "sum in place of mean", "example_weights")
def total(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        model.eval()
        value = sum(F.cross_entropy(model(x), y, reduction="sum").item() for x, y in loader)
        model.train()
        return value

    return evaluated(seed, evaluate)


@bug("evaluation", "wrong accuracy (axis)", "accuracy_right")
def wrong_axis(seed):
    def evaluate(model, loader):
        given = right(model, loader)
        model.eval()
        with torch.no_grad():
            hits = sum((model(x).argmax(0) == y[:10]).sum().item() for x, y in loader if len(y) >= 10)
        model.train()
        return {**given, "accuracy": hits / sum(len(y) for _, y in loader)}

    return evaluated(seed, evaluate)


@bug("evaluation", "wrong accuracy (per batch, averaged)", "accuracy_right")
def accuracy_means(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        given = right(model, loader)
        model.eval()
        shares = [(model(x).argmax(1) == y).double().mean().item() for x, y in loader]
        model.train()
        return {**given, "accuracy": sum(shares) / len(shares)}

    return evaluated(seed, evaluate)


@bug("evaluation", "wrong accuracy (broadcast)", "accuracy_right")
def accuracy_broadcast(seed):
    @torch.no_grad()
    def evaluate(model, loader):
        given = right(model, loader)
        model.eval()
        hits = sum((model(x).argmax(1, keepdim=True) == y).sum().item() for x, y in loader)
        model.train()
        return {**given, "accuracy": hits / sum(len(y) for _, y in loader)}

    return evaluated(seed, evaluate)
