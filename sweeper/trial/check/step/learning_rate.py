"""A learning rate that moves weights, and not out of their place."""

from __future__ import annotations

import math

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.memory import WORDS, remembers
from sweeper.trial.check.step.schedule_unit import planned_rates
from sweeper.trial.check.subject import Subject, no_dropout
from sweeper.trial.pictures import curves
from sweeper.trial.verdict import Verdict

STEPS = 60
ADVANCES = 10_000  # of a schedule: no warm-up is longer
REPLACED = 1.0  # change of all weights in one step over their norm: they are replaced, not adjusted
PROGRESS = 1e-4  # of the loss above its floor, a step: at this rate a run of ten thousand steps just gets there


class LearningRate(Check):
    """One batch over and over is the easiest thing to learn: too high diverges there, too low stands still."""

    name, rank, tip = "learning_rate", 40, 22
    hypothesis = "Steps on one batch lower its loss steadily."
    advice = "try Adam with 3e-4"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "unused_parameters", "detached_graph", "loss_sign",
             "step_order", "fresh_gradients", "step_direction", "softmax_once", "right_loss", "symmetric_units",
             "dead_units", "saturated_units", "gradient_flow", "input_scale", "init_scale", "loss_mean",
             "regularizer_share", "output_activation", "independent_examples")  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """The loss over sixty steps of the person's own step on one batch, and the first step's length."""
        optimizer = subject.given_optimizer
        _warmed_up(subject)
        no_dropout(subject.model)
        parameters = [p for _, p in subject.trainable()]
        weights = torch.cat([p.detach().flatten() for p in parameters]).clone()
        losses, update = [self._loss(subject)], 0.0
        for number in range(STEPS):
            subject.run_step(subject.batch)
            if number == 0:
                after = torch.cat([p.detach().flatten() for p in parameters])
                update = float((after - weights).norm() / weights.norm().clamp(min=1e-12))
            losses.append(self._loss(subject))
            if not math.isfinite(losses[-1]):
                break
        lr = float(max(group["lr"] for group in optimizer.param_groups))
        first, last = losses[0], sum(losses[-10:]) / len(losses[-10:])
        words = (
            f"lr {lr:g}: the loss goes {first:.4g} to {last:.4g} in {len(losses) - 1} steps on one batch, "
            f"the first moves the weights by {update:.2g} of their norm"
        )
        measured = {"update_ratio": update, "first": first} | ({"last": last} if math.isfinite(last) else {})
        pictures = (curves({"loss": losses}, "Loss on one batch with your optimizer", y="loss"),)
        expected = f"falling by more than {PROGRESS * STEPS:.2%}, a step of less than {REPLACED:g}"
        steady = math.isfinite(last) and first - last >= PROGRESS * STEPS * abs(first)
        if not steady and remembers(subject):
            raise NotApplicable(WORDS)
        if not math.isfinite(last) or last > first + 0.05 * abs(first) or update > REPLACED:
            return self.failed(
                f"{words}: too high", expected=expected, measured=measured, pictures=pictures,
                advice=f"lower it, to {lr / 30:.1g} at first",
            )  # fmt: skip
        if first > 1e-3 and first - last < PROGRESS * STEPS * abs(first):
            return self.failed(
                f"{words}: too low", expected=expected, measured=measured, pictures=pictures,
                advice=f"raise it, to {lr * 100:.1g} at first, or Adam with 3e-4",
            )  # fmt: skip
        if (later := _without_momentum(subject)) is not None and not later <= first + 0.05 * abs(first):
            momentum = max(float(group["momentum"]) for group in optimizer.param_groups)
            return self.failed(
                f"momentum {momentum:g} makes a gradient count for {1 / (1 - momentum):.3g} steps, {lr:g} each; with "
                f"so large a rate at once the loss goes {first:.4g} to {later:.4g}: too high",
                expected=expected, measured=measured, pictures=pictures,
                advice="use a momentum of 0.9 to 0.99, or a rate that is as much lower",
            )  # fmt: skip
        return self.passed(words, expected=expected, measured=measured, pictures=pictures)

    def _loss(self, subject: Subject) -> float:
        with torch.no_grad():
            return float(subject.batch_loss(subject.batch, training=True))


def _without_momentum(subject: Subject) -> float | None:
    """The last loss with the rate that a momentum beyond the steps looked at adds up to, and none; else None."""
    assert subject.optimizer is not None
    groups = subject.optimizer.param_groups
    if not any(1 > float(group.get("momentum") or 0.0) > 1 - 1 / STEPS for group in groups):
        return None
    with subject.untouched():
        no_dropout(subject.model)
        for group in groups:
            group["lr"], group["momentum"] = float(group["lr"]) / (1 - float(group["momentum"])), 0.0
            group["nesterov"] = False
        losses = []
        for _ in range(STEPS):
            subject.run_step(subject.batch)
            with torch.no_grad():
                losses.append(float(subject.batch_loss(subject.batch, training=True)))
    last = sum(losses[-10:]) / 10
    return last if math.isfinite(last) else math.inf


def _warmed_up(subject: Subject) -> None:
    """A schedule that warms up starts near 0; judge the highest rate of the planned run."""
    assert subject.optimizer is not None
    groups = subject.optimizer.param_groups
    peaks = [group.get("max_lr", group.get("initial_lr")) for group in groups]
    if subject.scheduler is not None and getattr(subject.scheduler, "optimizer", None) is subject.optimizer:
        before = [group["lr"] for group in groups]
        times = (subject.epochs or 0) * (subject.steps_per_epoch or 0) or ADVANCES
        peaks = [max(rates) for rates in zip(*planned_rates(subject, min(times, ADVANCES)), strict=True)]
        for group, rate in zip(groups, before, strict=True):
            group["lr"] = rate
    for group, peak in zip(groups, peaks, strict=True):
        if peak is not None and float(peak) > float(group["lr"]):
            group["lr"] = peak
