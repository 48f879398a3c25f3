"""Which parameters a gradient reaches, and which of the others have an effect at all."""

from __future__ import annotations

import torch
from torch import nn

from sweeper.trial.check.outputs import tensor_of
from sweeper.trial.check.subject import Subject

DRAWS = 16


def without_gradient(subject: Subject) -> tuple[list[str], list[str]]:
    """Names of trainable parameters that the backward pass leaves out: (with an effect on the loss, without).

    Their effect is measured by changing them. The first are cut off from the graph, the second are unused.
    """
    if "without_gradient" not in subject.facts:
        with subject.untouched():
            subject.facts["without_gradient"] = _without_gradient(subject)
    found: tuple[list[str], list[str]] = subject.facts["without_gradient"]
    return found


def _without_gradient(subject: Subject) -> tuple[list[str], list[str]]:
    subject.model.zero_grad(set_to_none=True)
    loss = subject.batch_loss(subject.batch, training=True)
    if loss.requires_grad:
        torch.autograd.backward(loss)
    left = [(name, p) for name, p in subject.trainable() if p.grad is None]
    if left:
        reached = _reached_elsewhere(subject, [p for _, p in left])
        left = [(name, p) for name, p in left if id(p) not in reached]
    cut: list[str] = []
    unused: list[str] = []
    before = _answer(subject)
    for name, parameter in left:
        (cut if not torch.equal(before, _changed(subject, parameter)) else unused).append(name)
    return cut, unused


def _reached_elsewhere(subject: Subject, parameters: list[nn.Parameter]) -> set[int]:
    """Those of ``parameters`` that get a gradient from other batches, or with the weights drawn anew.

    An expert that no example has chosen yet and the head of another task are such.
    """
    found: set[int] = set()
    size = max(len(subject.batch), 1)
    generator = torch.Generator().manual_seed(0)
    weights = [(p, p.detach().clone()) for _, p in subject.trainable() if p.ndim >= 2]
    for draw in range(DRAWS):
        rows = torch.arange(draw * size, (draw + 1) * size) % len(subject.pool)
        try:
            loss = subject.batch_loss(subject.pool.take(rows), training=True)
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        except Exception:  # no such batch, or no gradient
            break
        found |= {id(p) for p, gradient in zip(parameters, gradients, strict=True) if gradient is not None}
        if len(found) == len(parameters):
            break
        with torch.no_grad():
            for p, old in weights:
                p.copy_(float(old.std(correction=0)) * torch.randn(p.shape, generator=generator).to(p))
    with torch.no_grad():
        for p, old in weights:
            p.copy_(old)
    return found


def _changed(subject: Subject, parameter: nn.Parameter) -> torch.Tensor:
    with torch.no_grad():
        kept = parameter.detach().clone()
        scale = max(float(kept.abs().mean()), 0.1)
        parameter.add_(torch.randn_like(parameter), alpha=scale)
        answer = _answer(subject)
        parameter.copy_(kept)
    return answer


def _answer(subject: Subject) -> torch.Tensor:
    with torch.no_grad():
        torch.manual_seed(0)
        raw = subject.forward(subject.batch.inputs)
        found = tensor_of(raw)
        return subject.loss(raw, subject.batch.targets) if found is None else found.detach().clone()
