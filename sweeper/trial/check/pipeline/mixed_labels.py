"""Labels mixed as their inputs are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import tensor_of
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.pipeline.augmented import augmented
from sweeper.trial.check.pipeline.mixing import Mixing, mixing
from sweeper.trial.check.step.observe import make_ready
from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything
from sweeper.trial.verdict import Verdict

FIRST, DRAWS = 3, 12  # steps in which mixing must be seen, and those that are looked at then
EVEN = 0.1  # shares so near to a half say nothing
BETTER = 0.03  # of a cosine
RIGHT, SWAPPED, PLAIN = "in the inputs' shares", "in the shares of each other", "not at all"


class MixedLabels(Check):
    """Mixup and CutMix with the weights of the two labels exchanged, or with the first label alone."""

    name, rank, tip = "mixed_labels", 35, 27
    hypothesis = "Where inputs are mixed, labels are mixed in the same shares."
    advice = "with x = share * x + (1 - share) * x[other], use share * loss(out, y) + (1 - share) * loss(out, y[other])"
    needs = ("model_runs", "loss_runs", "labels_aligned")

    def measure(self, subject: Subject) -> Verdict:
        """Cosines of the labels used, or the loss's gradient in the outputs, with those that the shares mean."""
        found = list(_seen(subject))
        if not found:
            raise NotApplicable("no step or augmentation mixes examples in shares that can be told")
        means = {name: sum(draw[name] for draw in found) / len(found) for name in (RIGHT, SWAPPED, PLAIN)}
        best = max(means, key=lambda name: means[name])
        wrong = best if means[best] > means[RIGHT] + BETTER else RIGHT
        right = "" if wrong == RIGHT else f"; of those mixed {RIGHT} {means[RIGHT]:.2f}"
        return self.judged(
            wrong == RIGHT, f"labels are mixed {wrong} (cosine {means[wrong]:.2f}{right})", expected=RIGHT,
            measured={"right": means[RIGHT], "swapped": means[SWAPPED], "plain": means[PLAIN]},
        )  # fmt: skip


def _seen(subject: Subject) -> Iterator[dict[str, float]]:
    """Draws in which something was mixed, by augmentation or a training step."""
    batch = subject.batch
    mixes = False
    for number in range(DRAWS):
        if number == FIRST and not mixes:
            return
        with subject.untouched():
            draw = _augmented(subject, batch, number) if subject.augment is not None else _stepped(subject, number)
        if draw is None:
            continue
        mixes = True
        how, given, meant = draw
        if float((how.share - 0.5).abs().mean()) > EVEN:
            yield {name: float(F.cosine_similarity(given, want, 0)) for name, want in meant.items()}


Draw = tuple[Mixing, Tensor, dict[str, Tensor]]


def _augmented(subject: Subject, batch: Batch, number: int) -> Draw | None:
    """Labels that augmentation gave, against one-hot ones mixed."""
    changed = augmented(subject, batch, number)
    how = _mixing(batch.inputs, changed.inputs)
    targets, given = batch.targets, changed.targets
    if how is None or given.ndim != 2 or targets.ndim not in (1, 2):
        return None
    hot = F.one_hot(targets, given.shape[1]) if targets.ndim == 1 else targets
    hot = hot.double().cpu()
    if hot.shape != given.shape:
        return None
    meant = {RIGHT: how.mixed(hot), SWAPPED: how.mixed(hot, swapped=True), PLAIN: hot}
    return how, given.double().cpu().flatten(), {name: want.flatten() for name, want in meant.items()}


@dataclass
class _Pass:
    inputs: Any
    outputs: Tensor


def _stepped(subject: Subject, number: int) -> Draw | None:
    """The loss's gradient in the outputs of a step's first pass, against that of both labels' losses mixed."""
    if subject.step is None or not subject.plain_loss:
        return None
    passes: list[_Pass] = []

    def after(module: nn.Module, inputs: tuple[Any, ...], outputs: Any) -> None:
        tensor = tensor_of(outputs)
        if not passes and module.training and tensor is not None and tensor.requires_grad and len(inputs) == 1:
            tensor.retain_grad()
            passes.append(_Pass(inputs[0], tensor))

    make_ready(subject.model)
    seed_everything(subject.seed, "mixed", number)
    handle = subject.model.register_forward_hook(after)
    try:
        subject.run_step(subject.batch)
    except OwnCodeFailed:
        return None
    finally:
        handle.remove()
    if not passes or passes[0].outputs.grad is None:
        return None
    outputs, targets = passes[0].outputs.detach(), subject.batch.targets
    how = _mixing(subject.batch.inputs, passes[0].inputs)
    if how is None:
        return None
    own = subject.loss_gradient(outputs, targets).double().cpu()
    others = subject.loss_gradient(outputs, targets[how.other.to(targets.device)]).double().cpu()
    share = how.share.reshape(-1, *[1] * (own.ndim - 1))
    meant = {RIGHT: share * own + (1 - share) * others, SWAPPED: (1 - share) * own + share * others, PLAIN: own}
    return how, passes[0].outputs.grad.double().cpu().flatten(), {name: want.flatten() for name, want in meant.items()}


def _mixing(before: Any, after: Any) -> Mixing | None:
    if not isinstance(before, Tensor) or not isinstance(after, Tensor):
        return None
    return mixing(before, after)
