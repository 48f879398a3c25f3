"""What inputs and targets say about being sequences."""

from __future__ import annotations

from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.subject import Subject

AGREE = 0.99  # of the positions


def next_token_offset(subject: Subject) -> int | None:
    """By how many positions targets are ahead of the inputs (-1, 0, 1 or 2); None if they are other things."""
    inputs, targets = main(subject.batch.inputs), subject.batch.targets
    if inputs.is_floating_point() or targets.is_floating_point() or inputs.ndim != 2 or inputs.shape != targets.shape:
        return None
    length = inputs.shape[1]
    for offset in (0, 1, 2, -1):
        ahead = inputs[:, max(offset, 0) : length + min(offset, 0)]
        there = targets[:, max(-offset, 0) : length - max(offset, 0)]
        counted = there != -100
        if counted.any() and float((ahead == there)[counted].double().mean()) > AGREE:
            return offset
    return None


def is_causal(subject: Subject) -> bool:
    """True where a person says so, or where each target is the next input."""
    return bool(subject.causal) if subject.causal is not None else next_token_offset(subject) is not None


def time_first(outputs: Tensor, length: int) -> Tensor | None:
    """Outputs as (batch, time, …); None if they have no axis of this length."""
    if outputs.ndim >= 2 and outputs.shape[1] == length:
        return outputs
    if outputs.ndim == 3 and outputs.shape[2] == length:
        return outputs.transpose(1, 2)
    return None
