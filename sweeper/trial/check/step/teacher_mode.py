"""Teachers that answer without chance."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.own_code import modules_of, put_back
from sweeper.trial.check.subject import DROPOUT, Subject
from sweeper.trial.verdict import Verdict


class TeacherMode(Check):
    """Dropout makes a teacher's answers noise, batch norm makes them depend on the batch and moves its statistics."""

    name, rank, tip = "teacher_mode", 36, 10
    hypothesis = "A network that answers beside the model in the step, and is not trained, is in evaluation mode."
    advice = "call teacher.eval() once model.train() has been called, and teacher.requires_grad_(False)"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "step_order")

    def measure(self, subject: Subject) -> Verdict:
        """The modes of networks that see the inputs in a step and whose weights stay."""
        if subject.step is None:
            raise NotApplicable("no training step was given")
        others = _others(subject)
        if not others:
            raise NotApplicable("the step has no network beside the model that could do otherwise in training mode")
        outside = [m for m in others.values() if all(m is not own for own in subject.model.modules())]
        before = {name: [p.detach().clone() for p in m.parameters()] for name, m in others.items()}
        with put_back(outside):
            subject.model.train()
            called = _called_in_training(subject, others)
            still = {
                name for name, m in others.items()
                if all(map(torch.equal, before[name], (p.detach() for p in m.parameters())))
            }  # fmt: skip
        wrong = sorted(called & still)
        words = f"{len(wrong)} of {len(others)} networks beside the model answer in training mode"
        return self.judged(
            not wrong, words + (f" ({', '.join(wrong)}), and their weights stay" if wrong else ""), expected="none",
            measured={"wrong": len(wrong)},
        )  # fmt: skip


def _others(subject: Subject) -> dict[str, nn.Module]:
    """Networks with dropout or batch norm that share no weight with what is trained."""
    trained = {id(p) for _, p in subject.trainable()}
    if subject.optimizer is not None:
        trained |= {id(p) for group in subject.optimizer.param_groups for p in group["params"]}
    beside = [*modules_of(subject.step), *modules_of(subject.loss_function), *subject.model.children()]
    return {
        f"{type(m).__name__} {number}": m
        for number, m in enumerate(beside, 1)
        if any(map(_modal, m.modules())) and any(True for _ in m.parameters())
        and not any(id(p) in trained for p in m.parameters())
    }  # fmt: skip


def _modal(module: nn.Module) -> bool:
    if isinstance(module, DROPOUT):
        return module.p > 0
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def _called_in_training(subject: Subject, others: dict[str, nn.Module]) -> set[str]:
    """Those that a step calls outside the model's own forward pass, on inputs that come from no model."""
    inside: list[bool] = []
    found: set[str] = set()

    def saw(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[object, ...]) -> None:
            given = [a for a in args if isinstance(a, Tensor)]
            in_training = any(m.training for m in module.modules() if _modal(m))
            if in_training and not inside and given and not any(a.requires_grad for a in given):
                found.add(name)

        return hook

    with ExitStack() as stack:
        handles = [m.register_forward_pre_hook(saw(name)) for name, m in others.items()]
        handles.append(subject.model.register_forward_pre_hook(lambda *_: inside.append(True)))
        handles.append(subject.model.register_forward_hook(lambda *_: inside.clear()))
        for handle in handles:
            stack.callback(handle.remove)
        subject.run_step(subject.batch)
    return found
