"""Weights that follow their gradients."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import two_steps
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

FADED = 1e-6  # of the largest gradient
ROUNDING = 1e-5  # of the weights: a hundred times what single precision resolves


class WeightsMove(Check):
    """A group with a rate of 0, an update written into a copy or lost to rounding leaves a weight where it was."""

    name, rank, tip = "weights_move", 28, 7
    hypothesis = "Each weight in which the loss has a gradient is changed by the step."
    advice = (
        "look at the rate of its parameter group, at gradients set to None, and whether its memory is contiguous "
        "(weight.contiguous())"
    )
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "step_order", "fresh_gradients")

    def measure(self, subject: Subject) -> Verdict:
        """Weights that two steps in a row leave as they are to the bit, though the loss has a gradient there."""
        seen = two_steps(subject)
        if any(s.updates == 0 for s in seen) or not float(seen[0].moved.norm()) > 0:
            raise NotApplicable("the optimizer that was given makes no step")
        if all(float(s.moved.norm()) < ROUNDING * float(s.weights.norm()) for s in seen):
            raise NotApplicable("the steps are so small that rounding takes them; see learning_rate")
        sizes = [p.numel() for _, p in subject.trainable()]
        moved = [torch.split(s.moved, sizes) for s in seen]
        wanted = [torch.split(s.right, sizes) for s in seen]
        waiting = _waiting(subject)
        least = [FADED * float(s.right.abs().max()) for s in seen]  # a bias before a norm has rounding for a gradient
        stuck = [
            name for i, (name, p) in enumerate(subject.trainable())
            if id(p) not in waiting and all(float(g[i].abs().max()) > few for g, few in zip(wanted, least, strict=True))
            and all(torch.count_nonzero(m[i]) == 0 for m in moved)
        ]  # fmt: skip
        words = f"{len(stuck)} of {len(sizes)} weights stay where they were in two steps, against their gradients"
        return self.judged(
            not stuck, words + (f" ({', '.join(stuck[:4])})" if stuck else ""), expected="none",
            measured={"stuck": len(stuck)},
        )  # fmt: skip


def _waiting(subject: Subject) -> set[int]:
    """Parameters that a schedule begins at a rate of 0, and those that are to be frozen."""
    waiting = {id(p) for name, p in subject.trainable() if name.startswith(tuple(subject.frozen) or ("\0",))}
    for group in subject.given_optimizer.param_groups:
        peak = group.get("max_lr", group.get("initial_lr")) or 0.0
        if float(group.get("lr", 1.0)) == 0 < float(peak):
            waiting |= {id(p) for p in group["params"]}
    return waiting
