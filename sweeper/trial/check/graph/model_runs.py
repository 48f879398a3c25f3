"""The forward pass."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check
from sweeper.trial.check.outputs import tensor_of
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class ModelRuns(Check):
    """The model takes the batch and gives an output an example, all of them numbers."""

    name, rank, tip = "model_runs", 10, 7
    hypothesis = "The model takes a batch and gives one row of outputs an example."
    advice = "run model(inputs) on one batch and compare the shapes of each layer with what you meant"

    def measure(self, subject: Subject) -> Verdict:
        """Run it, in training mode as training does."""
        expected = f"{len(subject.batch)} rows of finite outputs"
        try:
            with torch.no_grad():
                found = tensor_of(subject.forward(subject.batch.inputs, training=True))
        except Exception as error:
            words = " ".join(str(error).split())[:300]
            return self.failed(f"the forward pass raised {type(error).__name__}: {words}", expected=expected)
        if found is None:
            return self.passed("the forward pass runs; its outputs are no tensor", expected=expected)
        words = f"outputs {tuple(found.shape)} for {len(subject.batch)} examples"
        if found.ndim == 0 or len(found) != len(subject.batch):
            return self.failed(words, expected=expected)
        return self.judged(
            bool(found.isfinite().all()), words + ("" if found.isfinite().all() else ", some NaN or infinite"),
            expected=expected, advice="look for a division, logarithm or root in the forward pass",
        )  # fmt: skip
