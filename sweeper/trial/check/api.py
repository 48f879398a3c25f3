"""``sweeper.check``: the checks for an engineer with code of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace as change_fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sweeper.errors import ConfigError
from sweeper.trial.check.batches import POOL, Batch, check_rows, gather, is_pair, length, unpack
from sweeper.trial.check.check import CheckFailed
from sweeper.trial.check.run import run_checks
from sweeper.trial.check.subject import Subject
from sweeper.trial.page import page as page_of
from sweeper.trial.verdict import Report
from sweeper.trial.verdict_lines import message

BATCH = 128  # examples of the one batch that most checks look at, where data come whole


def check(
    model: nn.Module,
    loss: Callable[[Any, Tensor], Tensor],
    data: Any,
    *,
    optimizer: Optimizer | None = None,
    step: Callable[..., Any] | None = None,
    val: Any = None,
    evaluate: Callable[..., Any] | None = None,
    augment: Callable[..., Any] | None = None,
    scheduler: Any = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    build: Callable[[], Any] | None = None,
    frozen: Sequence[str] = (),
    causal: bool | None = None,
    normalised: tuple[Any, Any] | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    seed: int = 0,
    page: str | os.PathLike[str] | None = None,
    raises: bool = True,
) -> Report:
    """Check a training program; raise :class:`CheckFailed` with the numbers if a verdict is a failure.

    model, loss
        ``loss(model(inputs), targets)`` is what training minimises, for the batch or for each example.
    data
        Training data: a loader of (inputs, targets) batches, or one such pair. Inputs are a tensor (batch, …), or a
        tuple or dict of tensors that the model takes as arguments.
    optimizer
        The optimizer over ``model.parameters()``.
    step
        Your training step, called with the arguments that it names of model, optimizer, loss, batch, inputs, targets
        (or, with other names, with inputs and targets). It is expected to make one update.
    val
        Validation data, as ``data``.
    evaluate
        Your evaluation, called with those that it names of model, loss, loader (a list of batches). It returns the
        mean loss, or a dict with ``loss`` and ``accuracy``.
    augment
        What training does to a batch of inputs, or to inputs and targets; it may take ``generator``.
    scheduler, epochs, steps_per_epoch
        The schedule and the length of the planned run; ``step`` is expected to advance it if it counts steps.
    build
        A function without arguments that makes the model afresh; two calls after seeding must agree.
    frozen
        Names or prefixes of parameters that must not change.
    causal
        True: the output at a position may depend on the inputs up to that one alone.
    normalised
        (mean, std) that the inputs were meant to be shifted and divided by to have mean 0 and deviation 1.
    only, skip
        Names of checks.
    page
        Where to write the page with pictures.

    Nothing that is passed in is changed: weights, state, modes and global generators are put back.
    """
    began = time.perf_counter()
    subject = subject_of(
        model, loss, data, optimizer=optimizer, step=step, val=val, evaluate=evaluate, augment=augment,
        scheduler=scheduler, epochs=epochs, steps_per_epoch=steps_per_epoch, build=build, frozen=frozen, causal=causal,
        normalised=normalised, seed=seed,
    )  # fmt: skip
    report = run_checks(subject, only=only, skip=skip)
    report = change_fields(report, seconds=time.perf_counter() - began)
    if page is not None:
        path = Path(page)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page_of(report), encoding="utf-8")
        report = change_fields(report, page=path)
    if raises and not report.ok:
        raise CheckFailed(report, message(report))
    return report


def subject_of(
    model: nn.Module,
    loss: Callable[[Any, Tensor], Tensor],
    data: Any,
    *,
    val: Any = None,
    build: Callable[[], Any] | None = None,
    frozen: Sequence[str] = (),
    steps_per_epoch: int | None = None,
    seed: int = 0,
    **others: Any,
) -> Subject:
    """What :func:`check` checks."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    loader, batch, pool, ordered = read(data, device, seed)
    val_loader, _, val_pool, _ = read(val, device, seed) if val is not None else (None, None, None, None)
    if steps_per_epoch is None and loader is not None:
        steps_per_epoch = length(loader)
    return Subject(
        title=type(model).__name__, model=model, loss_function=loss, batch=batch, pool=pool, ordered=ordered,
        val=val_pool, loader=loader, val_loader=val_loader, rebuild=build, frozen=tuple(frozen),
        steps_per_epoch=steps_per_epoch, seed=seed, **others,
    )  # fmt: skip


def read(data: Any, device: torch.device, seed: int) -> tuple[Any, Batch, Batch, Batch]:
    """(loader or None, one batch, up to 2,048 examples, the same in their order) of what a person calls data."""
    if is_pair(data):
        whole = unpack(data)
        check_rows(whole)
        whole = whole.to(device)
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed))
        pool = whole.take(order[:POOL]) if len(whole) > BATCH else whole
        return None, pool.first(BATCH), pool, whole.first(POOL)
    if not hasattr(data, "__iter__"):
        raise ConfigError(f"data must be a loader of batches or (inputs, targets), got {type(data).__name__}")
    batches, ordered = gather(data)
    for batch in batches[:2]:
        check_rows(batch)
    largest = max(batches[:2], key=len)
    mixed = ordered.take(torch.randperm(len(ordered), generator=torch.Generator().manual_seed(seed)))
    return data, largest.to(device), mixed.to(device), ordered.to(device)
