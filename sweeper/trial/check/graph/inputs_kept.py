"""A forward pass that leaves its inputs alone."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import change, tensors
from sweeper.trial.check.check import Check
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class InputsKept(Check):
    """``x -= mean`` in ``forward`` changes the data set itself: the next epoch sees other examples."""

    name, rank, tip = "inputs_kept", 45, 17
    hypothesis = "The forward pass does not change the tensors that it is given."
    advice = "write x = x - mean in place of x -= mean, and leave inplace=True to layers after the first"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Inputs before and after a forward pass; harmless where the changed ones give the same outputs."""
        inputs = change(subject.batch.inputs, lambda t: t.clone())
        with torch.no_grad():
            before = subject.outputs(inputs).clone()
            changed = [
                i for i, (a, b) in enumerate(zip(tensors(subject.batch.inputs), tensors(inputs), strict=True))
                if not torch.equal(a.nan_to_num(), b.nan_to_num())
            ]  # fmt: skip
            torch.manual_seed(subject.seed)
            again = subject.outputs(change(inputs, lambda t: t.clone())) if changed else before
        moved = float((again - before).abs().max())
        words = f"{len(changed)} of {len(tensors(inputs))} input tensors are changed in place"
        return self.judged(
            not changed or moved <= 1e-6 * float(before.abs().max()),
            words + (f", and the same batch gives outputs {moved:.3g} apart" if changed else ""),
            expected="none", measured={"changed": len(changed)},
        )  # fmt: skip
