"""Padding that a loss over tokens leaves out."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

PADDED = 0.3  # of the rows end in a run of one and the same token: in language hardly any do
ENDS = 0.8  # of where padding stands
LENGTHS = 3  # different ones: a run of one length in each row may be a format


class PaddingIgnored(Check):
    """Where most targets are padding, a model that says padding has a low loss."""

    name, rank, tip = "padding_ignored", 85, 11
    hypothesis = "Targets that are padding do not count in the loss."
    advice = "set these targets to -100 (cross_entropy's ignore_index), or pass ignore_index=<padding>"
    needs = ("model_runs", "loss_runs", "target_shift")

    def measure(self, subject: Subject) -> Verdict:
        """The gradient at positions where both input and target are the token that rows end in."""
        inputs, targets = main(subject.batch.inputs), subject.batch.targets
        if inputs.is_floating_point() or targets.is_floating_point() or inputs.ndim != 2 or targets.ndim != 2:
            raise NotApplicable("inputs and targets are not (batch, time) tokens")
        if inputs.shape != targets.shape or not subject.plain_loss:
            raise NotApplicable("inputs and targets differ in shape")
        padding = _padding(inputs) & _padding(targets)
        if not bool(padding.any()):
            raise NotApplicable("rows do not end in a run of one token")
        leaf = subject.first_outputs.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(subject.loss(leaf, targets), leaf)
        length = targets.shape[1]
        by_time = gradient if gradient.shape[1] == length else gradient.transpose(1, 2)
        counted = float((by_time[padding].abs().sum(1) > 0).double().mean())
        return self.judged(
            counted < 0.5, f"{counted:.0%} of {int(padding.sum())} padded positions count in the loss", expected="none",
            measured={"counted": counted},
        )  # fmt: skip


def _padding(tokens: Tensor) -> Tensor:
    """(batch, time) True in the runs, but for their first token, of the one token that rows end in; else nowhere."""
    last = torch.mode(tokens[:, -1]).values
    run = (tokens == last).flip(1).long().cumprod(1).sum(1)
    if float((run >= 2).double().mean()) < PADDED or len(torch.unique(run[run >= 2])) < LENGTHS:
        return torch.zeros_like(tokens, dtype=torch.bool)
    if float(run[run >= 2].sum()) < ENDS * float((tokens == last).sum()):
        return torch.zeros_like(tokens, dtype=torch.bool)  # a token like others: the background of a picture
    place = torch.arange(tokens.shape[1], device=tokens.device)
    return place >= tokens.shape[1] - run[:, None] + 1
