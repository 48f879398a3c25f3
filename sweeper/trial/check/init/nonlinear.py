"""More than a linear map."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import LOG_PROBABILITIES, PROBABILITIES, SIGMOID
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class Nonlinear(Check):
    """Linear layers without anything between them are one linear layer."""

    name, rank, tip = "nonlinear", 15, 16
    hypothesis = "A model of several layers computes more than a linear map."
    advice = "put an activation (nn.ReLU) between linear layers"
    needs = ("model_runs", "dropout_in_eval", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """f(a + b) + f(0) - f(a) - f(b) for large a and b, over what f changes; 0 for a linear map."""
        layers = [p for _, p in subject.trainable() if p.ndim >= 2]
        if len(layers) < 2 or any(isinstance(m, nn.RNNBase) for m in subject.model.modules()):
            raise NotApplicable("the model has fewer than two layers" if len(layers) < 2 else "the model is recurrent")
        values = main(subject.batch.inputs)
        if not values.is_floating_point():
            raise NotApplicable("inputs are no real numbers")
        inputs = subject.batch.first(16).inputs
        number = number_of(subject.batch.inputs, values)
        a, b = (3 * torch.randn_like(values[:16]) for _ in range(2))
        with torch.no_grad():
            both, one, other, none = (
                _logits(subject, replace(inputs, number, x)) for x in (a + b, a, b, torch.zeros_like(a))
            )
        bend = float((both + none - one - other).abs().max())
        size = float((one - none).abs().max() + (other - none).abs().max())
        if not math.isfinite(bend) or size == 0:
            raise NotApplicable("nothing that enters has an effect")
        return self.judged(
            bend > 1e-3 * size, f"the outputs bend by {bend / size:.2g} of their change, with {len(layers)} weights",
            expected="more than 0.001 for several layers", measured={"bend": bend / size},
        )  # fmt: skip


def _logits(subject: Subject, inputs: object) -> Tensor:
    outputs = subject.outputs(inputs).double()
    match subject.family.name:
        case name if name == PROBABILITIES:
            outputs = outputs.clamp(min=1e-38).log()
        case name if name == SIGMOID:
            return outputs.clamp(1e-12, 1 - 1e-12).logit()
        case name if name != LOG_PROBABILITIES:
            return outputs
    axis = subject.family.axis if subject.family.axis is not None else 1
    return outputs - outputs.mean(axis, keepdim=True)
