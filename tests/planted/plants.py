"""Programs with one bug each, and healthy ones: what they are and how they are run."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sweeper.space_node import without_space
from sweeper.trial.check import Report, Subject, Verdict, api, from_config
from sweeper.trial.check.run import run_checks, verdicts
from sweeper.trial.data import sklearn_tables
from sweeper.trial.verdict import FAIL

CONF = Path(__file__).parents[2] / "conf"


@dataclass(frozen=True)
class Config:
    """A program that is a config of this project: the overrides of ``python train.py stage=check …``."""

    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Plant:
    """``program(seed)`` gives a :class:`Config` or the arguments of ``sweeper.check``; ``names``: right verdicts."""

    group: str
    kind: str
    names: tuple[str, ...]
    program: Callable[[int], Any]


BUGS: list[Plant] = []
HEALTHY: list[Plant] = []


def bug(group: str, kind: str, *names: str) -> Callable[[Callable[[int], Any]], Callable[[int], Any]]:
    """Register a program with this bug; the first failed verdict must be one of ``names``."""

    def register(program: Callable[[int], Any]) -> Callable[[int], Any]:
        BUGS.append(Plant(group, kind, names, program))
        return program

    return register


def healthy(kind: str) -> Callable[[Callable[[int], Any]], Callable[[int], Any]]:
    """Register a program without a bug."""

    def register(program: Callable[[int], Any]) -> Callable[[int], Any]:
        HEALTHY.append(Plant("healthy", kind, (), program))
        return program

    return register


def load_all() -> None:
    """Import every module of plants."""
    package = importlib.import_module("bugs")
    for module in pkgutil.iter_modules(package.__path__, "bugs."):
        importlib.import_module(module.name)
    for name in (
        "healthy",
        "healthy_models",
        "healthy_training",
        "healthy_designs",
        "healthy_threads",
        "healthy_losses",
        "healthy_own",
        "healthy_unusual",
        "healthy_unusual_more",
        "healthy_unseen",
    ):
        importlib.import_module(name)


def subject(plant: Plant, seed: int) -> Subject:
    """What is checked of it, as a person would."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    program = plant.program(seed)
    if not isinstance(program, Config):
        return api.subject_of(**program, seed=seed)
    with initialize_config_dir(str(CONF), version_base=None):
        cfg = compose("config", overrides=["stage=check", f"seed={seed}", *program.overrides])
    cfg = without_space(cfg)
    return from_config.subject_of(cfg, torch.device("cpu"), epochs=cfg.stage.epochs, batch_size=cfg.stage.batch_size)


def run(plant: Plant, seed: int) -> Report:
    """All verdicts."""
    return run_checks(subject(plant, seed))


def first_failure(plant: Plant, seed: int) -> Verdict | None:
    """The first verdict that fails, None if all pass."""
    return next((v for v in verdicts(subject(plant, seed)) if v.state == FAIL), None)


# parts that the programs share ------------------------------------------------------------------------------------


def digits(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(train inputs (1400, 1, 8, 8) standardised, labels, validation inputs, labels)."""
    examples = sklearn_tables.digits()
    order = np.random.default_rng(seed).permutation(len(examples.targets))
    x = torch.tensor(examples.inputs[order], dtype=torch.float32)
    y = torch.tensor(examples.targets[order])
    mean, std = x[:1400].mean(), x[:1400].std()
    x = (x - mean) / std
    return x[:1400], y[:1400], x[1400:], y[1400:]


def table(name: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A table of scikit-learn's, standardised by its training part (80 %); targets as they are, floats for values."""
    examples = getattr(sklearn_tables, name)()
    order = np.random.default_rng(seed).permutation(len(examples.targets))
    x = torch.tensor(examples.inputs[order], dtype=torch.float32)
    y = torch.tensor(examples.targets[order])
    y = y if examples.classes else y.float()
    count = int(0.8 * len(x))
    x = (x - x[:count].mean(0)) / x[:count].std(0)
    return x[:count], y[:count], x[count:], y[count:]


def loader(x: torch.Tensor, y: torch.Tensor, *, size: int = 64, shuffle: bool = True) -> DataLoader[Any]:
    return DataLoader(TensorDataset(x, y), batch_size=size, shuffle=shuffle)


def mlp(features: int = 64, outputs: int = 10, *, width: int = 64, middle: Iterable[nn.Module] = ()) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.ReLU(), *middle, nn.Linear(width, outputs))


def cnn(outputs: int = 10, channels: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, outputs),
    )  # fmt: skip


def adam(model: Any, lr: float = 1e-3) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters() if isinstance(model, nn.Module) else model, lr=lr)


def digits_program(model: nn.Module, seed: int, **others: Any) -> dict[str, Any]:
    """The model on digits with cross-entropy and Adam, as ``sweeper.check`` takes them."""
    x, y, vx, vy = digits(seed)
    given = {"model": model, "loss": nn.CrossEntropyLoss(), "data": loader(x, y), "val": loader(vx, vy, shuffle=False)}
    return {**given, "optimizer": adam(model), **others}
