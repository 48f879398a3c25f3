"""What one training step did: the gradients that the optimizer was given, and how far the weights went."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.subject import Subject, no_dropout
from sweeper.trial.seeds import seed_everything


@dataclass
class Seen:
    """``right``: the gradient of the batch's loss at the weights before the step; ``used``: what the optimizer got.

    ``updates`` counts calls of ``optimizer.step``; ``moved`` is the change of the weights. All flat. An optimizer that
    is given a closure, as L-BFGS is, calls for its gradients itself: ``used`` is then None. ``stepped`` is the change
    of the weights by the optimizer's last step alone, ``kept`` and ``left`` are the gradients right after it and after
    the training step.
    """

    right: Tensor
    weights: Tensor
    updates: int = 0
    used: Tensor | None = None
    stepped: Tensor | None = None
    kept: Tensor | None = None
    left: Tensor | None = None
    moved: Tensor = field(default_factory=lambda: torch.zeros(0))


def two_steps(subject: Subject) -> tuple[Seen, Seen]:
    """Two steps in a row on the halves of the batch, dropout modules off; measured once."""
    if "two_steps" not in subject.facts:
        subject.facts["two_steps"] = two_parts(subject)
    first, second = subject.facts["two_steps"]
    return first, second


def make_ready(model: nn.Module) -> None:
    """For a first step: dropout modules off, training mode, no gradients; undone by ``untouched``."""
    no_dropout(model)
    model.train()
    model.zero_grad(set_to_none=True)


def two_parts(subject: Subject, *, calls: int = 0, clear: bool = False) -> tuple[Seen, Seen]:
    """Two such steps after ``calls`` other ones; ``clear``: no gradients are left between the two."""
    if subject.optimizer is None:
        raise NotApplicable("no optimizer was given")
    half = max(len(subject.batch) // 2, 1)
    rows = torch.arange(len(subject.batch))
    batches = [subject.batch.take(rows[:half]), subject.batch.take(rows[half:] if half < len(rows) else rows)]
    with subject.untouched():
        make_ready(subject.model)
        for _ in range(calls):
            subject.run_step(subject.batch)
        first = one_step(subject, batches[0])
        if clear:
            subject.model.zero_grad(set_to_none=True)
        return first, one_step(subject, batches[1])


def one_step(subject: Subject, batch: Batch) -> Seen:
    """One step on ``batch``, from the gradients, weights and mode that the model has; not undone."""
    if subject.step is not None:
        _ = subject.calls_for_update  # tried out before anything is counted
    parameters = [p for _, p in subject.trainable()]
    kept = [p.grad for p in parameters]  # the reference must not take the place of what the last step left
    buffers = [(b, b.clone()) for b in subject.model.buffers()]
    seed_everything(subject.seed, "step")
    loss = subject.batch_loss(batch, training=True)
    right = _flat(torch.autograd.grad(loss, parameters, allow_unused=True), parameters)
    with torch.no_grad():
        for buffer, value in buffers:
            buffer.copy_(value)
    for p, gradient in zip(parameters, kept, strict=True):
        p.grad = gradient
    seen = Seen(right, _flat(parameters, parameters))

    begun: list[Tensor] = []

    def before(_: object, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        seen.updates += 1
        begun[:] = [_flat(parameters, parameters)]
        if len(args) > 1 or kwargs.get("closure") is not None:
            return
        seen.used = _flat([p.grad for p in parameters], parameters)

    def after(*_: object) -> None:
        seen.stepped = _flat(parameters, parameters) - begun[0]
        seen.kept = _flat([p.grad for p in parameters], parameters)

    optimizer = subject.given_optimizer
    handles = [optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)]
    seed_everything(subject.seed, "step")
    try:
        subject.run_step(batch)
    finally:
        for handle in handles:
            handle.remove()
    seen.moved = _flat(parameters, parameters) - seen.weights
    seen.left = _flat([p.grad for p in parameters], parameters)
    return seen


def _flat(values: object, parameters: list[nn.Parameter]) -> Tensor:
    parts = [
        torch.zeros(p.numel()) if v is None else v.detach().flatten().float().cpu()
        for v, p in zip(values, parameters, strict=True)  # type: ignore[call-overload]
    ]
    return torch.cat(parts)
