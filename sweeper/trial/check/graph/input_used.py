"""Every part of the input has an effect."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import Picture, heatmap
from sweeper.trial.verdict import Verdict

DRAWS = 4  # of noise: a path that rectifiers close in one is open in another
ROUNDING = 1e-4  # of the outputs
BORDER = 0.05  # of the pixels: strided windows may leave out the last rows and columns


class InputUsed(Check):
    """The gradient with respect to each input feature is not zero, at inputs that noise has shaken (recipe tip 19)."""

    name, rank, tip = "input_used", 100, 19
    hypothesis = "The outputs depend on every part of the input."
    advice = "look for a slice, an index or a shape in forward that drops these features"
    needs = ("model_runs", "detached_graph")

    def measure(self, subject: Subject) -> Verdict:
        """Features without any effect in any example."""
        values = main(subject.batch.inputs)
        if values.is_floating_point():
            reach = _by_gradient(subject, values)
        elif values.ndim == 2:
            reach = _by_change(subject, values)
        else:
            raise NotApplicable("inputs are neither real numbers nor (batch, time) tokens")
        if not bool((reach > 0).any()):
            if subject.family.bounds == (1.0, 1.0):
                raise NotApplicable("the last softmax has one output, always 1; see output_activation")
            if values.is_floating_point() and _unmoved(subject, values):
                return self.failed(
                    "no part of the input has an effect, whatever the weights are", expected="all",
                    advice="look for a norm over an axis of length 1, and for what overwrites the input",
                )  # fmt: skip
            raise NotApplicable("nothing that enters has an effect yet; see the checks of the start and of the fit")
        ignored = (reach == 0).reshape(-1)
        count, total = int(ignored.sum()), ignored.numel()
        allowed = BORDER * total if reach.ndim == 3 and not bool((reach == 0).flatten(1).all(1).any()) else 0
        first = ", ".join(str(int(i)) for i in ignored.nonzero()[:6, 0])
        return self.judged(
            count <= allowed,
            f"{count} of {total} features have no effect" + (f" (number {first})" if count else ""),
            expected="none" if not allowed else f"at most {int(allowed)}, at the borders",
            measured={"ignored": count},
            pictures=_picture(reach),
        )


def _by_gradient(subject: Subject, values: Tensor) -> Tensor:
    inputs = subject.batch.first(32).inputs
    number = number_of(subject.batch.inputs, values)
    start = values[:32].detach()
    spread = float(start.std()) or 1.0
    total = torch.zeros_like(start[0], dtype=torch.float64)
    for draw in range(DRAWS):
        torch.manual_seed(draw)
        leaf = (start + draw * spread * torch.randn_like(start)).requires_grad_(True)
        outputs = subject.outputs(replace(inputs, number, leaf))
        if not outputs.requires_grad:
            raise NotApplicable("outputs have no gradient")
        weights = torch.randn_like(outputs)
        (gradient,) = torch.autograd.grad((outputs * weights).sum(), leaf, allow_unused=True)
        if gradient is not None:
            total += gradient.abs().sum(0).double().nan_to_num()
    return total.cpu()


@torch.no_grad()
def _unmoved(subject: Subject, values: Tensor) -> bool:
    """Other inputs give the same outputs to within rounding, with weights drawn anew in a usual size.

    Weights that start at 0, or a bias that closes every rectifier, are thus no reason.
    """
    inputs = subject.batch.first(32).inputs
    number = number_of(subject.batch.inputs, values)
    for draw in range(DRAWS):
        torch.manual_seed(draw)
        for parameter in subject.model.parameters():
            parameter.normal_(0, parameter[0].numel() ** -0.5 if parameter.ndim >= 2 else 0.5)
        before, after = (
            subject.outputs(replace(inputs, number, t)) for t in (values[:32], torch.randn_like(values[:32]))
        )
        if float((after - before).abs().max()) > ROUNDING * float(before.abs().max()):
            return False
    return True


def _by_change(subject: Subject, values: Tensor) -> Tensor:
    inputs = subject.batch.first(32).inputs
    number = number_of(subject.batch.inputs, values)
    start, pool = values[:32], torch.unique(values)
    positions = start.shape[1]
    reach = torch.ones(positions, dtype=torch.float64)
    with torch.no_grad():
        before = subject.outputs(inputs)
        for position in range(min(positions, 64)):
            changed = start.clone()
            index = torch.searchsorted(pool, start[:, position].contiguous())
            changed[:, position] = pool[(index + 1) % len(pool)]
            reach[position] = float((subject.outputs(replace(inputs, number, changed)) - before).abs().max())
    return reach


def _picture(reach: Tensor) -> tuple[Picture, ...]:
    flat = reach.sum(0) if reach.ndim == 3 else reach.reshape(1, -1) if reach.ndim == 1 else reach.flatten(1)
    return (heatmap(flat[:, :256].numpy(), "How much each input feature moves the outputs (black: not at all)"),)
