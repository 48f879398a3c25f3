"""The forward pass."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sweeper.errors import words
from sweeper.trial.check.check import Check
from sweeper.trial.check.outputs import tensor_of
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

MORE = 512  # examples: what one in a hundred has is among them


class ModelRuns(Check):
    """The model takes the batch and gives an output an example, all of them numbers."""

    name, rank, tip = "model_runs", 10, 7
    hypothesis = "The model takes a batch and gives one row of outputs an example."
    advice = "run model(inputs) on one batch and compare the shapes of each layer with what you meant"

    def measure(self, subject: Subject) -> Verdict:
        """Run it on one batch in training mode, as training does, and on more examples in evaluation mode."""
        expected = f"{len(subject.batch)} rows of finite outputs"
        try:
            with torch.no_grad():
                found = tensor_of(subject.forward(subject.batch.inputs, training=True))
        except Exception as error:
            return self.failed(
                f"the forward pass raised {type(error).__name__}: {words(error)[:300]}", expected=expected
            )
        if found is None:
            return self.passed("the forward pass runs; its outputs are no tensor", expected=expected)
        count = len(subject.batch)
        said = f"outputs {tuple(found.shape)} for {count} examples"
        if found.ndim == 0 or (len(found) != count and not (found.ndim == 3 and found.shape[1] == count)):
            return self.failed(said, expected=expected)
        if found.isfinite().all():
            bad = sum(map(_not_finite, _evaluated(subject)))
            said += f", NaN or infinity for {bad} examples in evaluation" if bad else ""
        else:
            bad, said = count, f"{said}, some NaN or infinite"
        return self.judged(
            not bad, said, expected=expected,
            advice="look for a division, logarithm or root in the forward pass, and for a softmax over nothing",
        )  # fmt: skip


def _evaluated(subject: Subject) -> Iterator[Tensor]:
    """Outputs of up to 512 examples, in batches of the usual size; none where the model takes no such batches."""
    size = len(subject.batch)
    rows = torch.split(torch.arange(min(len(subject.pool), MORE) // size * size), size)
    with torch.no_grad():
        try:
            for part in [subject.batch, *(subject.pool.take(r) for r in rows)]:
                found = tensor_of(subject.forward(part.inputs))
                if found is not None:
                    yield found
        except Exception:  # the checks of evaluation mode say so
            return


def _not_finite(outputs: Tensor) -> int:
    return int((~outputs.isfinite()).flatten(1).any(1).sum()) if outputs.ndim > 1 else int((~outputs.isfinite()).sum())
