"""A schedule stepped in the unit that its length is counted in."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Any

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import curves
from sweeper.trial.verdict import Verdict

IDLE = 0.5  # of the run at a rate that does nothing
RESTART = 0.5  # of the peak, in one step up: a cycle that begins anew
OFF = 3.0  # times: a length in epochs stepped by batches is off by the steps of an epoch
AGAIN = 1.5  # lengths of a cosine, after which its rate is halfway up again
NOISE = 0.1  # of a batch's loss


class ScheduleUnit(Check):
    """A cosine over 10 epochs that is stepped at each batch has ended, and risen again, in the first epoch."""

    name, rank, tip = "schedule_unit", 50, 24
    hypothesis = "The schedule runs its length once over the planned training."
    advice = "count the schedule in steps: epochs * steps an epoch, and step it after each optimizer.step()"
    needs = ("model_runs", "loss_runs", "step_order")

    def measure(self, subject: Subject) -> Verdict:
        """How often it is stepped over the run, against the length it was made for."""
        scheduler, epochs, per_epoch = subject.scheduler, subject.epochs, subject.steps_per_epoch
        if scheduler is None:
            raise NotApplicable("there is no schedule")
        theirs = getattr(scheduler, "optimizer", None)
        if subject.optimizer is not None and theirs is not None and theirs is not subject.optimizer:
            return self.failed(
                "the schedule changes the rate of another optimizer", expected="that of the optimizer that is given",
                advice="make the optimizer once, and the schedule from it",
            )  # fmt: skip
        if epochs is None or per_epoch is None:
            raise NotApplicable("epochs and steps_per_epoch were not given")
        before = int(scheduler.last_epoch)
        try:
            subject.run_step(subject.batch)
        except OwnCodeFailed as error:
            raise NotApplicable(f"the step raised {error}") from error
        advances = int(scheduler.last_epoch) - before
        by_step = advances > 0
        updates = epochs * per_epoch // subject.calls_for_update if subject.step is not None else epochs * per_epoch
        times = updates * advances if by_step else epochs
        length = _length(scheduler)
        unit = "step" if by_step else "epoch"
        rates = [found[0] for found in planned_rates(subject, min(times, 20_000))]
        picture = (curves({"lr": rates[:: max(len(rates) // 400, 1)]}, "The rate over the planned run", y="lr"),)
        often = "once" if advances < 2 else f"{advances} times"
        words = f"it advances {often} a {unit}, {times} times over {epochs} epochs"
        if length is not None:
            ratio = times / length
            if (end := _beyond(scheduler, ratio)) is not None:
                return self.failed(
                    f"{words}, and is made for {length:g}: {end}", expected=f"about {times}",
                    measured={"times": times, "length": length}, pictures=picture,
                )  # fmt: skip
            return self.judged(
                1 / OFF < ratio < OFF or per_epoch < OFF, f"{words}, and is made for {length:g}",
                expected=f"about {times}", measured={"times": times, "length": length}, pictures=picture,
            )  # fmt: skip
        if by_step and _is_plateau(scheduler) and scheduler.patience < per_epoch and _idle(rates) >= IDLE:
            return self.failed(
                f"it is asked at each step, and waits {scheduler.patience} of the {per_epoch} steps of an epoch: by "
                f"their noise alone the rate is below a thousandth of its peak for {_idle(rates):.0%} of the run",
                expected="a loss that noise does not decide", measured={"idle": _idle(rates)}, pictures=picture,
                advice="step it once an epoch, with the validation loss: scheduler.step(val_loss)",
            )  # fmt: skip
        peak = max(rates)
        rises = sum(b - a > RESTART * peak for a, b in pairwise(rates))
        if by_step and rises > epochs:
            return self.failed(
                f"{words}; the rate starts over {rises} times, more than once an epoch", expected="a period of epochs",
                measured={"restarts": rises}, pictures=picture,
            )  # fmt: skip
        idle = _idle(rates)
        # a warm-up that has ended is flat over its last twentieth
        lately = rates[-1 - max(len(rates) // 20, 1)] if len(rates) > 1 else peak
        rising = rates[-1] >= 0.999 * peak and rates[0] < 0.9 * peak and lately < 0.999 * peak
        constant = len(rates) > 1 and min(rates) == peak and not _is_plateau(scheduler)
        return self.judged(
            idle < IDLE and not rising and not constant,
            f"{words}; the rate is below a thousandth of its peak for {idle:.0%} of the run"
            + (", and still rises at its end" if rising else ", and never changes" if constant else ""),
            expected="a rate that is of use for most of the run", measured={"idle": idle}, pictures=picture,
        )  # fmt: skip


def _beyond(scheduler: Any, ratio: float) -> str | None:
    """What makes the end of the run another one than was meant, after ``ratio`` lengths."""
    name = type(scheduler).__name__
    if name == "OneCycleLR" and ratio > 1 + 1e-3:
        return "it raises an error when it has ended"
    if name == "CosineAnnealingLR" and ratio >= AGAIN:
        return "the rate rises again"
    if name == "CosineAnnealingLR" and scheduler.eta_min > max(scheduler.base_lrs):
        return f"the rate rises to eta_min, {scheduler.eta_min:g}"
    return None


def _is_plateau(scheduler: Any) -> bool:
    return type(scheduler).__name__ == "ReduceLROnPlateau"


def _idle(rates: list[float]) -> float:
    """The share of the run at less than a thousandth of the highest rate."""
    return sum(rate <= 1e-3 * max(rates) for rate in rates) / len(rates)


def _length(scheduler: Any) -> float | None:
    """What the schedule was made for, in its own unit."""
    name = type(scheduler).__name__
    if name == "CosineAnnealingLR":
        return float(scheduler.T_max)
    if name == "OneCycleLR":
        return float(scheduler.total_steps)
    if name == "MultiStepLR":
        return float(max(scheduler.milestones))
    return None


def planned_rates(subject: Subject, times: int) -> list[list[float]]:
    """The rate of each group at each of ``times`` advances, on a copy of the schedule; the optimizer is advanced.

    A schedule that looks at a loss is given noise.
    """
    scheduler = copy.copy(subject.scheduler)
    assert subject.optimizer is not None
    rates = []
    noise = torch.Generator().manual_seed(0)
    for _ in range(times):
        rates.append([float(group["lr"]) for group in subject.optimizer.param_groups])
        try:
            if _is_plateau(scheduler):
                scheduler.step(1 + NOISE * float(torch.randn((), generator=noise)))
            else:
                scheduler.step()
        except (ValueError, TypeError):  # OneCycleLR refuses to go beyond its length
            break
    return [found for found in rates if all(map(math.isfinite, found))] or [[0.0]]
