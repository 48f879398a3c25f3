"""The same seed, the same bits."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything
from sweeper.trial.verdict import Verdict

STEPS = 3


class SameSeed(Check):
    """A run that can't be repeated can't be compared (recipe tip 8)."""

    name, rank, tip = "same_seed", 10, 8
    hypothesis = "Two runs with the same seed are the same to the bit."
    advice = "seed random, numpy and torch, give every generator of your own a seed, and draw nothing from time or ids"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """Three steps, twice from the same weights, optimizer state and seed; the first tensor that differs."""
        if subject.optimizer is None and subject.step is None:
            raise NotApplicable("no optimizer or step was given")
        runs = [self._run(subject) for _ in range(2)]
        for number, (first, second) in enumerate(zip(*runs, strict=True), 1):
            for name in first:
                if not torch.equal(first[name].nan_to_num(), second[name].nan_to_num()):
                    gap = float((first[name].double() - second[name].double()).abs().max())
                    return self.failed(
                        f"step {number}: {name} differs by {gap:.3g}",
                        expected="no difference",
                        measured={"step": number},
                    )
        return self.passed(f"{STEPS} steps, {len(runs[0][0])} tensors the same to the bit", expected="no difference")

    def _run(self, subject: Subject) -> list[dict[str, Tensor]]:
        states = []
        with subject.untouched():
            seed_everything(subject.seed, "run")
            for _ in range(STEPS):
                subject.run_step(subject.batch)
                states.append(_tensors(subject))
        return states


def _tensors(subject: Subject) -> dict[str, Tensor]:
    """Weights and buffers after a step, in the order of the forward pass."""
    return {name: t.detach().clone() for name, t in subject.model.state_dict().items()}
