"""Trainable tensors that somebody updates."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from sweeper.trial.check.batches import tensors
from sweeper.trial.check.check import Check
from sweeper.trial.check.graph.leaves import leaves
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class RegisteredParameters(Check):
    """Layers in a Python list, plain tensors and layers made in ``forward`` are not in ``model.parameters()``.

    They take part and get gradients, but no optimizer made from the model trains them, and no checkpoint has them.
    """

    name, rank, tip = "registered_parameters", 15, 19
    hypothesis = "Every trainable tensor in the computation is one of the model's parameters, or the optimizer's."
    advice = "keep layers in nn.ModuleList, tensors in nn.Parameter, and make all of them in __init__"
    needs = ("model_runs", "labels_in_range")

    def measure(self, subject: Subject) -> Verdict:
        """The leaves of the graph of one batch's loss, against the parameters that the model had before."""
        stray = _stray(subject)
        if stray and len(subject.batch) > 1:  # what has a row an example was made from the inputs or predictions
            fewer = replace(subject, batch=subject.batch.first(len(subject.batch) - 1), facts={})
            shapes_of_fewer = [leaf.shape for leaf in _stray(fewer)]
            stray = [leaf for leaf in stray if leaf.shape in shapes_of_fewer]
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in stray[:4])
        return self.judged(
            not stray,
            f"{len(stray)} trainable tensors take part that are not among the model's parameters"
            + (f" (shapes {shapes})" if stray else ""),
            expected="none", measured={"stray": len(stray)},
        )  # fmt: skip


def _stray(subject: Subject) -> list[Tensor]:
    """Leaves that are neither the model's parameters, nor the optimizer's, nor inputs."""
    known = {id(p) for p in subject.model.parameters()} | {id(t) for t in tensors(subject.batch.inputs)}
    if subject.optimizer is not None:
        known |= {id(p) for group in subject.optimizer.param_groups for p in group["params"]}
    return [leaf for leaf in leaves(subject) if id(leaf) not in known]
