"""Frozen weights that stay."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

STEPS = 3


class FrozenStays(Check):
    """What is meant to be frozen is the same to the bit after some steps."""

    name, rank, tip = "frozen_stays", 25, 28
    hypothesis = "Frozen parameters and the statistics beside them do not change in training."
    advice = (
        "freeze with module.requires_grad_(False) before the optimizer is made, keep it in eval mode, and "
        "clear old gradients; setting module.requires_grad has no effect"
    )
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Train three steps and compare."""
        if subject.optimizer is None and subject.step is None:
            raise NotApplicable("no optimizer was given")
        meant = _meant(subject)
        if not meant:
            raise NotApplicable("nothing is frozen")
        before = {name: tensor.detach().clone() for name, tensor in meant.items()}
        for _ in range(STEPS):
            subject.run_step(subject.batch)
        moved = [name for name, tensor in meant.items() if not torch.equal(before[name], tensor.detach())]
        words = f"{len(moved)} of {len(meant)} frozen tensors changed in {STEPS} steps"
        return self.judged(
            not moved, words + (f" ({', '.join(moved[:4])})" if moved else ""), expected="none",
            measured={"moved": len(moved)},
        )  # fmt: skip


def _meant(subject: Subject) -> dict[str, torch.Tensor]:
    """Tensors that a person has tried to freeze: by name, by requires_grad_, or by an attribute that does nothing."""
    model = subject.model
    # a frozen weight that no optimizer has is changed by a person's own line: a teacher that follows by averages
    held = {id(p) for group in subject.optimizer.param_groups for p in group["params"]} if subject.optimizer else None
    meant: dict[str, torch.Tensor] = {
        name: p for name, p in model.named_parameters() if not p.requires_grad and (held is None or id(p) in held)
    }
    for name, module in model.named_modules():
        if vars(module).get("requires_grad") is False:
            meant |= {f"{name}.{inner}": p for inner, p in module.named_parameters()}
    prefixes = tuple(subject.frozen)
    if prefixes:
        named = [*model.named_parameters(), *model.named_buffers()]
        meant |= {name: t for name, t in named if name.startswith(prefixes) and "num_batches" not in name}
    return meant
