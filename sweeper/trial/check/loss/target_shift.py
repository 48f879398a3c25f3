"""Next-token targets that are one position ahead, once."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import main, replace, tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.graph.sequences import AGREE, next_token_offset, time_first
from sweeper.trial.check.loss.shift import shift_in_loss
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class TargetShift(Check):
    """Data and loss both shift: the net learns the token after the next. Neither does: it learns to copy."""

    name, rank, tip = "target_shift", 80, 17
    hypothesis = "The output at a position is compared with the token right after it."
    advice = "shift either in the data (targets = tokens[1:]) or in the loss, and only there"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """How far targets are ahead in the data, plus how far in the loss; by the gradient of each output."""
        if (number := _given(subject)) is not None and shift_in_loss(subject) == 0:
            return self.failed(
                f"input {number} is the target itself: at each position the answer is given", expected="1 behind",
                advice="give the decoder the target moved by one: a start token, then target[:, :-1]",
            )  # fmt: skip
        in_data = next_token_offset(subject)
        if in_data is None:
            raise NotApplicable("targets are not the inputs' next tokens")
        in_loss = shift_in_loss(subject)
        total = in_data + in_loss
        return self.judged(
            total == 1, f"targets are {in_data} ahead in the data and {in_loss} more in the loss", expected="1 in all",
            measured={"ahead": total},
        )  # fmt: skip


def _given(subject: Subject) -> int | None:
    """Which of the inputs beside the main one is the target, where the output at a position depends on it there."""
    inputs, targets = subject.batch.inputs, subject.batch.targets
    counted = targets != -100
    if targets.is_floating_point() or targets.ndim != 2 or targets.shape[1] < 3:
        return None
    for number, tensor in enumerate(tensors(inputs)):
        if tensor is main(inputs) and len(tensors(inputs)) == 1:
            continue
        if tensor.shape != targets.shape or tensor.is_floating_point() or len(torch.unique(tensor)) < 3:
            continue
        if float((tensor == targets)[counted].double().mean()) > AGREE and _seen_there(subject, number, tensor):
            return number
    return None


@torch.no_grad()
def _seen_there(subject: Subject, number: int, tensor: torch.Tensor) -> bool:
    place, length = tensor.shape[1] // 2, tensor.shape[1]
    other = tensor.clone()
    other[:, place] = other[:, place].roll(1)
    inputs = subject.batch.inputs
    before, after = (time_first(subject.outputs(given), length) for given in (inputs, replace(inputs, number, other)))
    return before is not None and after is not None and not torch.equal(before[:, place], after[:, place])
