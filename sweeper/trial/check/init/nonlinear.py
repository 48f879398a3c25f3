"""More than a linear map."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import LOG_PROBABILITIES, PROBABILITIES, SIGMOID
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.verdict import Verdict

ENOUGH = 1e-3
STEPS, RATE = 4, 1e-2  # of Adam: a gate that starts at 0 is then at 0.04
MOST, ROUNDING = 512, 1e-5  # examples, and of the largest singular value


class Nonlinear(Check):
    """Linear layers without anything between them are one linear layer."""

    name, rank, tip = "nonlinear", 15, 16
    hypothesis = "A model of several layers computes more than a linear map."
    advice = "put an activation (nn.ReLU) between linear layers"
    needs = ("model_runs", "loss_runs", "dropout_in_eval", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """f(a + b) + f(0) - f(a) - f(b) for large a and b, over what f changes: 0 for linear f; also after steps."""
        layers = [p for _, p in subject.trainable() if p.ndim >= 2]
        if len(layers) < 2 or any(isinstance(m, nn.RNNBase) for m in subject.model.modules()):
            raise NotApplicable("the model has fewer than two layers" if len(layers) < 2 else "the model is recurrent")
        values = main(subject.batch.inputs)
        if not values.is_floating_point():
            raise NotApplicable("inputs are no real numbers")
        inputs = subject.batch.first(16).inputs
        number = number_of(subject.batch.inputs, values)
        bend = _bend(subject, inputs, number, values[:16])
        if bend <= ENOUGH:  # branches that start at 0, or gates
            train(subject, lambda _: subject.batch, steps=STEPS, lr=RATE)
            bend = max(bend, _bend(subject, inputs, number, values[:16]))
        if bend <= ENOUGH and len(layers) == 2 and (rank := _rank(subject, number)):
            raise NotApplicable(f"two layers make a linear map of rank {rank}, which one layer can't be held to")
        return self.judged(
            bend > ENOUGH, f"the outputs bend by {bend:.2g} of their change, with {len(layers)} weights",
            expected=f"more than {ENOUGH:g} for several layers", measured={"bend": bend},
        )  # fmt: skip


@torch.no_grad()
def _bend(subject: Subject, inputs: object, number: int, values: Tensor) -> float:
    """How far the outputs are from a linear map's, over their change."""
    a, b = (3 * torch.randn_like(values) for _ in range(2))
    both, one, other, none = (_logits(subject, replace(inputs, number, x)) for x in (a + b, a, b, torch.zeros_like(a)))
    bend = float((both + none - one - other).abs().max())
    size = float((one - none).abs().max() + (other - none).abs().max())
    if not math.isfinite(bend) or size == 0:
        raise NotApplicable("nothing that enters has an effect")
    return bend / size


@torch.no_grad()
def _rank(subject: Subject, number: int) -> int:
    """The rank of the linear map from inputs to outputs where it is less than both their numbers, else 0."""
    batch = subject.pool.first(MOST)
    values = main(batch.inputs)
    width = min(values[0].numel(), subject.first_outputs[0].numel())
    if len(values) <= width:
        return 0
    outputs = _logits(subject, replace(batch.inputs, number, torch.randn_like(values))).reshape(len(values), -1)
    rank = int(torch.linalg.matrix_rank(outputs - outputs.mean(0), rtol=ROUNDING))
    softmax = subject.family.name in (PROBABILITIES, LOG_PROBABILITIES)
    return rank if rank < width - softmax else 0


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
