"""Brightness that stays in its range."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.pipeline.augmented import augmented
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

DROP = 0.5  # of the range, from one brightness to the next one up
SIDE = 3  # brightnesses on either side that rise
EXAMPLES, SHARE = 5, 0.05  # pictures in which it is seen


class AugmentationWraps(Check):
    """250 + 10 is 4 in bytes: the brightest places become the darkest."""

    name, rank, tip = "augmentation_wraps", 31, 26
    hypothesis = "Where augmentation changes brightness, brighter places stay brighter."
    advice = "compute in floats and clamp: (x.float() + by).clamp(0, 255)"
    needs = ("augmentation_range",)

    def measure(self, subject: Subject) -> Verdict:
        """Pictures whose brightnesses rise with those before, but for one drop over half of the range."""
        plain = main(subject.batch.inputs)
        try:
            changed = main(augmented(subject, subject.batch, 1).inputs)
        except OwnCodeFailed as error:
            raise NotApplicable("the augmentation raised an error") from error
        if plain.ndim != 4 or changed.shape != plain.shape or torch.equal(plain, changed):
            raise NotApplicable("augmentation changes no pictures, or their size")
        before, after = (t.detach().flatten(1).double().cpu() for t in (plain, changed))
        width = float(after.max() - after.min())
        wrapped = sum(_wraps(a, b, width) for a, b in zip(before, after, strict=True))
        return self.judged(
            wrapped < max(EXAMPLES, SHARE * len(before)),
            f"in {wrapped} of {len(before)} pictures the brightest places become the darkest",
            expected="none", measured={"wrapped": wrapped},
        )  # fmt: skip


def _wraps(before: Tensor, after: Tensor, width: float) -> bool:
    """One brightness has become one other each, rising to a drop and rising after it."""
    kinds, place = torch.unique(before, return_inverse=True)
    if len(kinds) < 2 * SIDE:
        return False
    became = torch.empty(len(kinds), dtype=torch.float64)
    became[place] = after
    if float((became[place] - after).abs().max()) > 1e-3 * width:
        return False
    steps = became.diff() / max(width, 1e-12)
    falls = (steps < -1e-3).nonzero()[:, 0]
    if len(falls) != 1 or float(steps[falls[0]]) > -DROP:
        return False
    rises = steps > 0
    return int(rises[: falls[0]].sum()) >= SIDE - 1 and int(rises[falls[0] :].sum()) >= 1
