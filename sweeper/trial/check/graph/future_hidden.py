"""Outputs of a sequence that depend on the past alone."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.graph.sequences import is_causal, time_first
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class FutureHidden(Check):
    """A model that sees what it shall predict scores well in training and is useless afterwards (recipe tip 19)."""

    name, rank, tip = "future_hidden", 80, 19
    hypothesis = "The output at a position depends on inputs up to that position alone."
    advice = "give attention a causal mask (is_causal=True), pad convolutions on the left, use no bidirectional layer"
    needs = ("model_runs", "dropout_in_eval", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """Change the inputs after a position and compare the outputs up to it."""
        if not is_causal(subject):
            raise NotApplicable("not a causal sequence (say causal=True if it is)")
        inputs = subject.batch.first(8).inputs
        tensor = main(inputs)
        length = tensor.shape[1]
        number = number_of(inputs, tensor)
        worst, at = 0.0, 0
        for position in sorted({0, length // 3, length // 2, length - 2} & set(range(length - 1))):
            changed = tensor.clone()
            later = changed[:, position + 1 :]
            changed[:, position + 1 :] = later.flip(0) + 0.5 if tensor.is_floating_point() else later.flip(0)
            with torch.no_grad():
                before, after = (
                    time_first(subject.outputs(replace(inputs, number, t)), length) for t in (tensor, changed)
                )
            if before is None or after is None:
                raise NotApplicable("outputs have no axis of time")
            moved = float((after - before)[:, : position + 1].abs().max()) / max(float(before.abs().max()), 1e-9)
            worst, at = max((worst, at), (moved, position))
        return self.judged(
            worst <= 1e-4, f"changing the inputs after position {at} moves outputs up to it by {worst:.3g} of "
            "their size",
            expected="0", measured={"leak": worst},
        )  # fmt: skip
