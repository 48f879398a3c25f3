"""Masked positions without effect."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Inputs, main, number_of, replace, tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

NOISE = 1e-4  # of the other effect: sums in another order


class MaskUsed(Check):
    """Padding must not change an answer, or the answer depends on how long the others in the batch are."""

    name, rank, tip = "mask_used", 90, 19
    hypothesis = "What the mask hides has no effect on the outputs."
    advice = (
        "pass the mask on (key_padding_mask, attention_mask, packed sequences) and leave masked positions "
        "out of averages"
    )
    needs = ("model_runs", "dropout_in_eval")

    def measure(self, subject: Subject) -> Verdict:
        """Change what is where the mask is 0, then where it is 1; one of both must have no effect."""
        inputs = subject.batch.first(16).inputs
        values = main(inputs)
        mask = _mask(inputs, values)
        if mask is None:
            raise NotApplicable("no mask enters (a second input of zeros and ones, one a position)")
        where = mask.bool()
        effects = {name: _effect(subject, inputs, values, chosen) for name, chosen in (("0", ~where), ("1", where))}
        constant = {"0": _one_value(values[~where]), "1": _one_value(values[where])}
        seen, hidden = max(effects, key=lambda name: effects[name]), min(effects, key=lambda name: effects[name])
        if effects[hidden] <= NOISE * effects[seen] and effects[seen] > 0 and constant[seen] and not constant[hidden]:
            return self.failed(
                "the outputs depend on the masked positions that all hold one value, the padding, and on no other",
                expected="they depend on the others",
                advice="turn the mask round: key_padding_mask is True where attention must not look",
            )  # fmt: skip
        least = min(effects, key=lambda name: effects[name])
        return self.judged(
            effects[least] <= NOISE * max(effects.values()) or effects[least] == 0,
            f"changing inputs moves outputs by {effects['0']:.3g} where the mask is 0 and by {effects['1']:.3g} "
            "where it is 1",
            expected="0 for one of them", measured={"zero": effects["0"], "one": effects["1"]},
        )  # fmt: skip


def _one_value(values: Tensor) -> bool:
    return bool((values == values.flatten()[:1]).all()) if values.numel() else False


def _mask(inputs: Inputs, values: Tensor) -> Tensor | None:
    """A mask among the inputs; the one that lengths stand for where there are lengths."""
    for tensor in tensors(inputs):
        if tensor is not values and tensor.ndim == 1 and (mask := _by_length(tensor, values)) is not None:
            return mask
        if tensor is values or tensor.shape != values.shape[: tensor.ndim] or tensor.ndim < 2:
            continue
        kinds = torch.unique(tensor)
        if len(kinds) == 2 and bool(((kinds == 0) | (kinds == 1)).all()):
            return tensor
    return None


def _by_length(lengths: Tensor, values: Tensor) -> Tensor | None:
    """Positions below each row's length, if such numbers they are: behind them all rows hold one value."""
    if lengths.is_floating_point() or lengths.dtype == torch.bool or values.ndim < 2 or len(lengths) != len(values):
        return None
    if int(lengths.min()) < 1 or int(lengths.max()) > values.shape[1] or int(lengths.min()) == values.shape[1]:
        return None
    mask = torch.arange(values.shape[1], device=lengths.device) < lengths[:, None]
    return mask if _one_value(values[~mask]) else None


def _effect(subject: Subject, inputs: Inputs, values: Tensor, where: Tensor) -> float:
    number = number_of(inputs, values)
    changed = values.clone()
    if values.is_floating_point():
        changed[where] = changed[where] + 1.0
    else:
        pool = torch.unique(values.flatten())
        index = torch.searchsorted(pool, changed[where])
        changed[where] = pool[(index + 1) % len(pool)]
    with torch.no_grad():
        before, after = (subject.outputs(replace(inputs, number, t)) for t in (values, changed))
    difference = (after - before).abs()
    if difference.ndim >= 2 and difference.shape[:2] == where.shape:  # an output a position: its own may change
        difference = difference[~where]
    return float(difference.max()) if difference.numel() else 0.0
