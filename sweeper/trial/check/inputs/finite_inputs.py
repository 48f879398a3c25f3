"""NaN and infinity in what enters."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch, tensors
from sweeper.trial.check.check import Check
from sweeper.trial.check.outputs import tensors_of
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

EXAMPLES = 64


class FiniteInputs(Check):
    """One NaN in a batch makes every weight NaN."""

    name, rank, tip = "finite_inputs", 10, 3
    hypothesis = "All inputs and targets are finite numbers."
    advice = "drop or impute these examples in the data source"

    def measure(self, subject: Subject) -> Verdict:
        """Count examples that have a number which is none."""
        parts = {"training": subject.pool} | ({"validation": subject.val} if subject.val is not None else {})
        bad = {name: _not_finite(batch) for name, batch in parts.items()}
        words = ", ".join(f"{count} of {len(parts[name])} {name} examples" for name, count in bad.items())
        if any(bad.values()) and all(_left_out(subject, batch) for batch in parts.values()):
            return self.passed(
                f"NaN or infinity in {words}; model and loss leave them out", measured={"bad": sum(bad.values())}
            )
        return self.judged(
            not any(bad.values()), f"NaN or infinity in {words}", expected="none", measured={"bad": sum(bad.values())}
        )


def _left_out(subject: Subject, batch: Batch) -> bool:
    """Outputs, loss and gradient of examples with such numbers are finite, as of missing values that are masked."""
    chosen = _rows(batch).nonzero()[:EXAMPLES, 0]
    if not len(chosen):
        return True
    try:
        with subject.untouched():
            subject.model.zero_grad(set_to_none=True)
            raw = subject.forward(batch.take(chosen).inputs, training=True)
            loss = subject.loss(raw, batch.take(chosen).targets)
            torch.autograd.backward(loss)
            gradients = [p.grad for _, p in subject.trainable() if p.grad is not None]
            numbers = [loss, *tensors_of(raw), *gradients]
            return bool(gradients) and all(bool(t.isfinite().all()) for t in numbers)
    except Exception:  # loss_runs says so
        return False


def _not_finite(batch: Batch) -> int:
    return int(_rows(batch).sum())


def _rows(batch: Batch) -> Tensor:
    """Which examples have a number that is none."""
    rows = torch.zeros(len(batch), dtype=torch.bool)
    for tensor in [*tensors(batch.inputs), batch.targets]:
        if tensor.is_floating_point():
            rows |= ~tensor.reshape(len(tensor), -1).isfinite().all(1).cpu()
    return rows
