"""The same seed, the same bits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything
from sweeper.trial.verdict import Verdict

STEPS = 3
KERNELS = (
    "torch.backends.cudnn.deterministic = True where it is a convolution, else torch.use_deterministic_algorithms(True)"
)


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
        expected = "no difference"
        difference = self._difference(subject)
        if difference is None:
            tensors = len(subject.model.state_dict())
            return self.passed(f"{STEPS} steps, {tensors} tensors the same to the bit", expected=expected)
        number, reason = difference
        advice = ""
        with deterministic():
            if self._difference(subject) is None:
                reason += "; not with torch.use_deterministic_algorithms(True): a kernel adds in no fixed order"
                advice = KERNELS
        return self.failed(reason, expected=expected, advice=advice, measured={"step": number})

    def _difference(self, subject: Subject) -> tuple[int, str] | None:
        """The first step after which two runs are not the same, and how."""
        for number, (first, second) in enumerate(zip(self._run(subject), self._run(subject), strict=True), 1):
            for name in first:
                if not torch.equal(first[name].nan_to_num(), second[name].nan_to_num()):
                    gap = float((first[name].double() - second[name].double()).abs().max())
                    return number, f"step {number}: {name} differs by {gap:.3g}"
        return None

    def _run(self, subject: Subject) -> list[dict[str, Tensor]]:
        states = []
        with subject.untouched():
            seed_everything(subject.seed, "run")
            for _ in range(STEPS):
                subject.run_step(subject.batch)
                states.append(_tensors(subject))
        return states


@contextmanager
def deterministic() -> Iterator[None]:
    """Kernels that give the same bits each time, as far as torch has them."""
    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms, but no error where there is none
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_deterministic_debug_mode(mode)


def _tensors(subject: Subject) -> dict[str, Tensor]:
    """Weights and buffers after a step, in the order of the forward pass."""
    return {name: t.detach().clone() for name, t in subject.model.state_dict().items()}
