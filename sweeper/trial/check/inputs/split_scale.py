"""Validation inputs scaled as training inputs are."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import VALUES
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

SHIFT, RATIO = 1.0, 2.5  # training deviations, and a factor: far beyond what sampling does
TARGET_SHIFT, TARGET_RATIO = 3.0, 10.0  # the same for targets, which trends and rare large values may move
FLOOR = 0.1  # of the largest channel's deviation: a channel that hardly varies says nothing
ATTAINED, EXAMPLES = 0.1, 20  # share and number of the pictures in which the darkest value of all occurs
BOUND = 0.05  # of the range, by which the bounds of the two splits may differ


class SplitScale(Check):
    """Two samples of one population have like moments; another transform of one of them shows."""

    name, rank, tip = "split_scale", 50, 17
    hypothesis = "Validation inputs went through the same normalisation as training inputs."
    advice = "apply the training split's mean and deviation to both splits, in one place"
    needs = ("input_scale",)

    def measure(self, subject: Subject) -> Verdict:
        """Means and deviations, of each channel of pictures; and the bounds that pictures share."""
        if (other := _other_unit(subject)) is not None:
            return self.failed(
                f"validation targets have mean {other[1]:.3g} and deviation {other[3]:.3g}, those of training "
                f"{other[0]:.3g} and {other[2]:.3g}",
                expected=f"within {TARGET_SHIFT:g} deviations and a factor of {TARGET_RATIO:g}",
                advice="scale the targets of both splits alike, with the training split's mean and deviation",
            )  # fmt: skip
        train, val = (main(batch.inputs).detach().double().cpu() for batch in (subject.pool, subject.given_val))
        if not main(subject.pool.inputs).is_floating_point() or float(train.std()) == 0 or val.numel() < 2:
            raise NotApplicable("inputs are no real numbers that vary")
        shift, ratio, channel = max(_moments(train, val), key=lambda found: _off(found[0], found[1]))
        words = f"validation mean is {shift:+.2f} training deviations off, its deviation {ratio:.2f} times as large"
        if channel is not None:
            words = f"in channel {channel} the {words}"
        bounds = _bounds(train), _bounds(val)
        width = float(train.max() - train.min())
        apart = [
            f"{name} is {b:.3g}, not {a:.3g} as in training"
            for name, a, b in zip(("the least value", "the greatest"), *bounds, strict=True)
            if a is not None and b is not None and abs(a - b) > BOUND * width
        ]
        return self.judged(
            abs(shift) < SHIFT and 1 / RATIO < ratio < RATIO and not apart,
            "; ".join([words, *(f"{bound} of many pictures" for bound in apart)]),
            expected=f"within {SHIFT:g} deviation and a factor of {RATIO:g}, and the same bounds",
            measured={"shift": shift, "ratio": ratio},
        )  # fmt: skip


def _other_unit(subject: Subject) -> tuple[float, float, float, float] | None:
    """Means and deviations of the targets of both splits, where they are values that differ beyond any sampling."""
    train, val = (batch.targets.double().cpu() for batch in (subject.pool, subject.given_val))
    if subject.kind.name != VALUES or len(torch.unique(train)) < EXAMPLES or len(val) < 8 or float(train.std()) == 0:
        return None
    means, deviations = (float(train.mean()), float(val.mean())), (float(train.std()), float(val.std()))
    apart = abs(means[1] - means[0]) > TARGET_SHIFT * deviations[0]
    ratio = deviations[1] / deviations[0]
    return (*means, *deviations) if apart or not 1 / TARGET_RATIO < ratio < TARGET_RATIO else None


def _moments(train: Tensor, val: Tensor) -> list[tuple[float, float, int | None]]:
    """(shift, ratio, channel) of all values, and of each channel of pictures."""
    found: list[tuple[float, float, int | None]] = [(*_moment(train, val), None)]
    if train.ndim == 4 and val.ndim == 4 and 1 < train.shape[1] == val.shape[1] <= 4:
        pairs = [(train[:, c], val[:, c]) for c in range(train.shape[1])]
        largest = max(float(a.std()) for a, _ in pairs)
        found += [(*_moment(a, b), c) for c, (a, b) in enumerate(pairs) if float(a.std()) > FLOOR * largest]
    return found


def _moment(train: Tensor, val: Tensor) -> tuple[float, float]:
    std = train.std()
    return float((val.mean() - train.mean()) / std), float(val.std() / std)


def _off(shift: float, ratio: float) -> float:
    """How far, 1 being too far."""
    return max(abs(shift) / SHIFT, ratio / RATIO, 1 / (RATIO * max(ratio, 1e-9)))


def _bounds(values: Tensor) -> tuple[float | None, float | None]:
    """The least and the greatest value, where they occur in many pictures: those of the scale, not of one example."""
    if values.ndim != 4 or len(values) < EXAMPLES:
        return None, None
    rows = values.flatten(1)
    found = []
    for extreme, own in ((rows.min(), rows.min(1).values), (rows.max(), rows.max(1).values)):
        there = int(torch.isclose(own, extreme, rtol=1e-5, atol=1e-6).sum())
        found.append(float(extreme) if there >= max(EXAMPLES, ATTAINED * len(rows)) else None)
    return found[0], found[1]
