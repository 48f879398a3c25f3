"""Tasks that share a body, each with a say."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import tensors_of
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

LARGEST = 100.0  # times: the other task is then 1 % of the gradient, less than the noise of batches


class TaskShares(Check):
    """A task in another unit decides alone where the shared weights go (Kendall et al. 2018)."""

    name, rank, tip = "task_shares", 92, 11
    hypothesis = "No head's gradient in the shared weights is a hundred times another's."
    advice = "standardise each task's targets, take means, and choose weights that make the gradients alike"
    needs = ("model_runs", "loss_runs", "loss_mean")

    def measure(self, subject: Subject) -> Verdict:
        """The gradient in the shared weights through each output that has a head of its own, and in the outputs."""
        raw = subject.forward(subject.batch.inputs, training=True)
        heads = [t for t in tensors_of(raw) if t.requires_grad and t.ndim and len(t) == len(subject.batch)]
        if not 2 <= len(heads) <= 8:
            raise NotApplicable("the model has no two outputs")
        loss = subject.loss(raw, subject.batch.targets)
        found = torch.autograd.grad(loss, heads, retain_graph=True, allow_unused=True)
        kept = [(head, g) for head, g in zip(heads, found, strict=True) if g is not None and bool(g.any())]
        parameters = [p for _, p in subject.trainable()]
        reached = [torch.autograd.grad(head, parameters, g, retain_graph=True, allow_unused=True) for head, g in kept]
        own = [[g is not None for g in each] for each in reached]
        shared = [i for i in range(len(parameters)) if len(kept) > 1 and all(each[i] for each in own)]
        several = [any(each[i] and sum(o[i] for o in own) == 1 for i in range(len(parameters))) for each in own]
        if not shared or not all(several):
            raise NotApplicable("no outputs with a head each on a shared body")
        sizes = [_norm([each[i] for i in shared]) for each in reached]
        largest, least = (sizes.index(pick(sizes)) for pick in (max, min))
        outputs = [_norm([g]) for _, g in kept]
        # a head that starts near zero passes little on at first, whatever its task
        ratio = min(of[largest] / max(of[least], 1e-30) for of in (sizes, outputs))
        return self.judged(
            ratio < LARGEST, "gradients in the shared weights through each output: "
            + ", ".join(f"{size:.3g}" for size in sizes),
            expected=f"less than {LARGEST:g} times apart", measured={"ratio": ratio},
        )  # fmt: skip


def _norm(gradients: list[Tensor | None]) -> float:
    return math.hypot(*(float(g.norm()) for g in gradients if g is not None))
