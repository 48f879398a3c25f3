"""Inputs that are not one another's copy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor

from sweeper.trial.check.batches import tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

KINDS = 3  # different numbers: two masks of zeros and ones may well be the same


class InputsDiffer(Check):
    """A slip of an index gives the model one of its inputs twice, and the other not at all."""

    name, rank, tip = "inputs_differ", 35, 17
    hypothesis = "No two inputs are the same in every example."
    advice = "look at how the data set or the collate function puts its inputs together: item[0], item[1], …"

    def measure(self, subject: Subject) -> Verdict:
        """Compare each pair of token inputs of one shape."""
        parts = [(name, t) for name, t in _named(subject) if not t.is_floating_point() and t.ndim >= 2]
        pairs = [(a, b) for a, b in combinations(parts, 2) if a[1].shape == b[1].shape and a[1].dtype == b[1].dtype]
        if not pairs:
            raise NotApplicable("no two inputs of tokens have one shape")
        alike = [f"{a[0]} and {b[0]}" for a, b in pairs if _alike(a[1], b[1])]
        return self.judged(
            not alike, (f"inputs {', '.join(alike)} are" if alike else "no two inputs are")
            + f" the same in all of {len(subject.pool)} examples",
            expected="inputs that differ", measured={"alike": len(alike)},
        )  # fmt: skip


def _alike(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) and len(torch.unique(a)) >= KINDS


def _named(subject: Subject) -> list[tuple[str, Tensor]]:
    inputs = subject.pool.inputs
    if isinstance(inputs, Mapping):
        return [(str(name), t) for name, t in inputs.items() if isinstance(t, Tensor)]
    return [(str(number), t) for number, t in enumerate(tensors(inputs))]
