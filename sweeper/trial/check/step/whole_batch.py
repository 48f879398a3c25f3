"""Every example of a batch in its step."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import Seen, make_ready, one_step
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

PARTS = 4
LEAST = 1e-3  # of how far the gradient of the loss moves


class WholeBatch(Check):
    """A loop over parts that ends early, or an index left in from debugging, trains on some of the examples."""

    name, rank, tip = "whole_batch", 27, 7
    hypothesis = "A training step uses each part of its batch."
    advice = "look for a slice of the batch in the step, and for a last part that is left over"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "step_order", "fresh_gradients", "train_mode")

    def measure(self, subject: Subject) -> Verdict:
        """Exchange each quarter of the batch in turn: the gradient that the optimizer gets must change."""
        if subject.step is None:
            raise NotApplicable("no training step was given")
        count = min(len(subject.batch), len(subject.pool) // 2) // PARTS * PARTS
        if count < 2 * PARTS:
            raise NotApplicable("the batch has too few examples")
        plain = _seen(subject, subject.pool.first(count))
        if plain.used is None or not float(plain.used.norm()) > 0:
            raise NotApplicable("the optimizer that was given makes no step")
        unused = []
        for number, rows in enumerate(torch.arange(count).chunk(PARTS), 1):
            order = torch.arange(count)
            order[rows] = torch.arange(len(subject.pool) - len(rows), len(subject.pool))
            other = _seen(subject, subject.pool.take(order))
            assert other.used is not None
            if _moved(plain.used, other.used) < LEAST * _moved(plain.right, other.right):
                unused.append(number)
        words = f"quarters of the batch that the step's gradient does not depend on: {', '.join(map(str, unused))}"
        return self.judged(
            not unused, words if unused else "the step's gradient depends on each quarter of the batch",
            expected="none", measured={"unused": len(unused)},
        )  # fmt: skip


def _seen(subject: Subject, batch: Batch) -> Seen:
    with subject.untouched():
        make_ready(subject.model)
        return one_step(subject, batch)


def _moved(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / a.norm().clamp(min=1e-30))
