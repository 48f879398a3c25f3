"""The first loss, and those of constant answers: none, the best, and the model's own on average."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import Batch, tensors
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.loss.per_example import compares_outputs
from sweeper.trial.check.loss.probe import known
from sweeper.trial.check.outputs import (
    BINARY,
    CLASSES,
    EMBEDDING,
    LOG_PROBABILITIES,
    PROBABILITIES,
    RAW,
    SIGMOID,
    VALUES,
    Family,
    as_family,
)  # fmt: skip
from sweeper.trial.check.subject import Subject, no_dropout

EXAMPLES = 256


@dataclass(frozen=True)
class FirstLoss:
    """Losses in the loss's own unit: ``first`` of the model as it starts, ``bias`` of its last bias alone as the answer
    (of its mean output where there is no last bias), ``zero`` of outputs 0 (softmax: ln C), ``best`` of the best
    constant (softmax: the entropy of the prior)."""

    first: float
    bias: float
    zero: float
    best: float
    has_bias: bool


def first_loss(subject: Subject) -> FirstLoss:
    """Measured once, in training mode with dropout off, as a person sees it first."""
    if not subject.plain_loss:
        raise NotApplicable("the loss takes more than one tensor of predictions, so it can't be probed")
    if subject.kind.name == EMBEDDING:
        raise NotApplicable("the outputs are embeddings, no scores of the classes")
    if not subject.supervised:
        raise NotApplicable("the loss does not look at the targets")
    if subject.pairs:
        raise NotApplicable("the outputs are similarities of the batch's examples, whose scale is meant")
    if subject.is_labels and any(torch.equal(t, subject.batch.targets) for t in tensors(subject.batch.inputs)):
        raise NotApplicable("the model takes the labels, and may make their scores worse by a margin")
    if "first_loss" not in subject.facts and compares_outputs(subject):
        raise NotApplicable("the loss compares the outputs of a batch with each other")
    if "first_loss" not in subject.facts:
        with subject.untouched(), torch.no_grad():
            subject.facts["first_loss"] = _first_loss(subject)
    found: FirstLoss = subject.facts["first_loss"]
    return found


def _first_loss(subject: Subject) -> FirstLoss:
    batch = subject.pool.first(EXAMPLES)
    no_dropout(subject.model)
    outputs, bias = _outputs_and_bias(subject, batch)
    kind = subject.kind
    family = Family(subject.family.name, kind.axis if subject.family.axis is not None else None)

    def loss(constant: Tensor) -> float:
        return float(subject.loss(constant.expand_as(outputs).contiguous(), batch.targets))

    logits = _before(outputs, family)
    axes = _axes(subject, outputs, bias)
    answer = logits.mean(axes, keepdim=True)
    if bias is not None and bias.numel() == answer.numel():
        answer = bias.to(answer).reshape(answer.shape)
    mean = as_family(answer, family)
    zero = as_family(torch.zeros_like(mean), family)
    candidates = [as_family(best, family) for best in _best(subject, batch.targets, outputs, mean, axes)]
    return FirstLoss(
        first=float(subject.loss(outputs, batch.targets)), bias=loss(mean), zero=loss(zero),
        best=min(loss(constant) for constant in [*candidates, zero, mean]),
        has_bias=bias is not None,
    )  # fmt: skip


def _outputs_and_bias(subject: Subject, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Outputs, and the bias of the last layer that gave as many numbers; zeros where that has none."""
    last: list[Tensor] = []

    def saw(module: nn.Module, _: object, given: Tensor) -> None:
        bias = getattr(module, "bias", None)
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor):
            last[:] = [given, bias.detach() if isinstance(bias, Tensor) else weight.new_zeros(len(weight))]

    layers = (nn.Linear, nn.Conv1d, nn.Conv2d)
    handles = [m.register_forward_hook(saw) for m in subject.model.modules() if isinstance(m, layers)]
    try:
        outputs = subject.outputs(batch.inputs, training=True)
    finally:
        for handle in handles:
            handle.remove()
    if not last or last[0].numel() != outputs.numel():
        return outputs, None
    if subject.family.name == RAW and not torch.allclose(last[0].reshape(outputs.shape), outputs, rtol=1e-4, atol=1e-6):
        return outputs, None  # scaled or shifted afterwards
    return outputs, last[1]


def _before(outputs: Tensor, family: Family) -> Tensor:
    match family.name:
        case name if name == PROBABILITIES:
            return outputs.clamp(min=1e-30).log()
        case name if name == SIGMOID:
            return outputs.clamp(1e-6, 1 - 1e-6).logit()
        case name if name == LOG_PROBABILITIES:
            return outputs
    return outputs


def _axes(subject: Subject, outputs: Tensor, bias: Tensor | None) -> list[int]:
    """The axes that a bias is constant along: of maps and sequences all but that of the channels."""
    if subject.kind.name == CLASSES:
        kept = [subject.kind.axis]
    elif outputs.ndim <= 2 or (bias is not None and bias.numel() == outputs[0].numel()):
        kept = list(range(1, outputs.ndim))
    elif bias is not None:
        kept = [axis for axis in (1, outputs.ndim - 1) if outputs.shape[axis] == bias.numel()][:1]
    else:
        kept = [1] if outputs.ndim > 3 else []
    return [axis for axis in range(outputs.ndim) if axis not in kept]


def _best(subject: Subject, targets: Tensor, outputs: Tensor, like: Tensor, axes: list[int]) -> list[Tensor]:
    kind, targets = subject.kind, known(targets)
    if kind.name == CLASSES:
        if targets.is_floating_point():
            prior = targets.double().mean(0)
        else:
            counted = targets[targets >= 0].flatten()
            prior = torch.bincount(counted, minlength=kind.count).double()
        prior = prior.clamp(min=0.5 / max(len(targets), 1))
        return [(prior / prior.sum()).log().to(like).reshape(like.shape)]
    if targets.numel() != outputs.numel():
        return []
    kept = [axis for axis in range(outputs.ndim) if axis not in axes]
    values = targets.double().reshape(outputs.shape).permute(*axes, *kept).reshape(-1, like.numel())
    if kind.name == BINARY:
        return [values.mean(0).clamp(1e-3, 1 - 1e-3).logit().to(like).reshape(like.shape)]
    assert kind.name == VALUES
    return [v.to(like).reshape(like.shape) for v in (values.mean(0), values.median(0).values)]
