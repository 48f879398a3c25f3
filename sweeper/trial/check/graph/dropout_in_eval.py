"""Evaluation without chance."""

from __future__ import annotations

import torch
from torch import nn

from sweeper.trial.check.batches import Inputs
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import tensor_of
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class DropoutInEval(Check):
    """In evaluation mode the same inputs give the same outputs."""

    name, rank, tip = "dropout_in_eval", 50, 10
    hypothesis = "Evaluation mode switches off dropout and noise."
    advice = "use nn.Dropout, or F.dropout(x, p, training=self.training)"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Two forward passes in evaluation mode with other random numbers."""
        models = {"": subject.model} | (
            {" with the regularizers": subject.regularized_model} if subject.regularized_model is not None else {}
        )
        worst, where = 0.0, ""
        for name, model in models.items():
            if (change := _difference(model, subject.batch.inputs)) > worst:
                worst, where = change, name
        if worst > 0 and not where and not _supervised(subject):
            subject.facts["draws"] = True  # the same ones in each evaluation from here on
            raise NotApplicable("the loss does not look at the targets: the model draws its own")
        return self.judged(
            worst == 0, f"two evaluations of one batch{where} differ by {worst:.3g}", expected="0",
            measured={"difference": worst},
        )  # fmt: skip


@torch.no_grad()
def _supervised(subject: Subject) -> bool:
    """Targets of other examples give another loss of the same outputs, or the loss can't be had."""
    batch = subject.batch
    try:
        raw = subject.forward(batch.inputs)
        losses = {float(subject.loss(raw, batch.targets.roll(by, 0))) for by in range(min(len(batch), 4))}
    except Exception:  # loss_runs says so
        return True
    return len(losses) > 1


@torch.no_grad()
def _difference(model: nn.Module, inputs: Inputs) -> float:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    outputs = []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        raw = (
            model(**inputs)
            if isinstance(inputs, dict)
            else model(*inputs)
            if isinstance(inputs, tuple)
            else model(inputs)
        )
        found = tensor_of(raw)
        outputs.append(found if found is not None else torch.zeros(1))
    for module, mode in modes:
        module.training = mode
    return float(max((outputs[0] - other).abs().max() for other in outputs[1:]))
