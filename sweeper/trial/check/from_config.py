"""From a config to what is checked: the setup of training, its loop and its evaluation, as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn

from sweeper.trial.check.batches import POOL, Batch
from sweeper.trial.check.subject import Subject
from sweeper.trial.fit import evaluate, train_epoch
from sweeper.trial.regularizers import Regularizers
from sweeper.trial.seeds import generator
from sweeper.trial.setup import Setup, build


def subject_of(cfg: DictConfig, device: torch.device, *, epochs: int, batch_size: int) -> Subject:
    """The parts that ``cfg`` builds without its regularizers (recipe tip 9), and what these would add."""
    plain = cfg.copy()
    with open_dict(plain):
        plain.regularizer = None
    setup = build(plain, device)
    inputs, targets = setup.train
    rows = torch.randperm(len(targets), generator=generator(cfg.seed, "check"))
    pool = Batch(inputs[rows[:POOL]], targets[rows[:POOL]])
    subject = Subject(
        title=f"{setup.data}, {type(setup.model).__name__}, {type(setup.optimizer).__name__}",
        model=setup.model,
        loss_function=setup.loss,
        batch=pool.first(batch_size),
        pool=pool,
        val=Batch(*setup.val),
        optimizer=setup.optimizer,
        step=_step(setup),
        evaluate=_evaluate(setup),
        rebuild=lambda: build(plain, device).model,
        wider=_wider(plain, device),
        epochs=epochs,
        steps_per_epoch=-(-len(targets) // batch_size),
        classes=setup.data.classes,
        seed=cfg.seed,
    )
    if any(entry is not None for entry in (cfg.get("regularizer") or {}).values()):
        _add_regularizers(subject, build(cfg, device))
    return subject


def _step(setup: Setup) -> Any:
    """The training loop itself, on an epoch of one batch."""

    def step(inputs: Any, targets: Any) -> float:
        return train_epoch(replace(setup, train=(inputs, targets)), epoch=1, batch_size=len(targets))

    return step


def _evaluate(setup: Setup) -> Any:
    def evaluate_(model: nn.Module, loader: list[Any]) -> dict[str, float]:
        inputs, targets = (torch.cat(column) for column in zip(*loader, strict=True))
        return evaluate(model, setup.task, inputs, targets)

    return evaluate_


def _wider(cfg: DictConfig, device: torch.device) -> Any:
    """A builder of the same model at twice the width; None where it has no ``width``."""
    width = OmegaConf.select(cfg, "model.width")
    if not isinstance(width, int):
        return None

    def wider() -> nn.Module:
        twice = cfg.copy()
        twice.model.width = 2 * width
        return build(twice, device).model

    return wider


def _add_regularizers(subject: Subject, setup: Setup) -> None:
    subject.regularized_model = setup.model
    subject.regularized_loss = setup.loss
    subject.regularized_optimizer = setup.optimizer
    acting: Regularizers = setup.regularizers
    if acting.acts_on_data:

        def augment(inputs: Any, targets: Any, epoch: int) -> tuple[Any, Any]:
            acting.epoch_began(setup.seed, epoch, setup.device)
            return acting.change_batch(inputs, targets)

        subject.augment = augment
