"""Which parameters a gradient reaches, and which of the others have an effect at all."""

from __future__ import annotations

import torch
from torch import nn

from sweeper.trial.check.outputs import tensor_of
from sweeper.trial.check.subject import Subject


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
    cut: list[str] = []
    unused: list[str] = []
    before = _answer(subject)
    for name, parameter in left:
        (cut if not torch.equal(before, _changed(subject, parameter)) else unused).append(name)
    return cut, unused


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
