"""Augmented inputs in the range of the plain ones."""

from __future__ import annotations

from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.pipeline.augmented import augmented
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import Picture, montage
from sweeper.trial.verdict import Verdict

FARTHER = 1.0  # of the plain range, beyond it: noise and brightness go a little out of range, other units far
SPREAD = 3.0
CUT, NARROWER = 0.1, 0.9  # of the values become the least or the greatest one, in a narrower range: a clamp


class AugmentationRange(Check):
    """Augmentation written for values from 0 to 255 and given others leaves the range that evaluation sees."""

    name, rank, tip = "augmentation_range", 30, 26
    hypothesis = "Augmented inputs have about the range, mean and deviation of plain ones, and are finite."
    advice = "apply the augmentation before the normalisation, or give it the range of normalised inputs"

    def measure(self, subject: Subject) -> Verdict:
        """Range, mean and deviation before and after."""
        plain = main(subject.batch.inputs).double()
        expected = f"at most {FARTHER:g} beyond, 1 off, {SPREAD:g} times"
        try:
            changed = main(augmented(subject, subject.batch, 1).inputs).double()
        except OwnCodeFailed as error:
            return self.failed(f"the augmentation raised {error}", expected=expected, advice="run it on one batch")
        low, high = float(plain.min()), float(plain.max())
        width = max(high - low, 1e-12)
        out = max(low - float(changed.min()), float(changed.max()) - high, 0.0) / width
        shift = abs(float(changed.mean() - plain.mean())) / max(float(plain.std()), 1e-12)
        ratio = float(changed.std() / plain.std().clamp(min=1e-12))
        words = (
            f"augmented inputs reach {out:.2g} of the plain range beyond it, their mean is {shift:.2g} deviations off, "
            f"their deviation {ratio:.2g} times as large"
        )
        cut, narrower = _cut(plain, changed)
        if cut > CUT and narrower < NARROWER:
            words += f"; {cut:.0%} of the values are cut to its ends, the range is {narrower:.0%} as wide"
        holds = bool(changed.isfinite().all()) and out <= FARTHER and shift <= 1 and 1 / SPREAD < ratio < SPREAD
        holds = holds and not (cut > CUT and narrower < NARROWER)
        pictures: tuple[Picture, ...] = ()
        if changed.ndim == 4 and changed.shape[1] in (1, 3):
            pictures = (montage(changed[:16].cpu().numpy(), [""] * min(16, len(changed)), "Augmented inputs"),)
        return self.judged(
            holds, words, expected=expected, pictures=pictures,
            measured={"out": out, "shift": shift, "ratio": ratio},
        )  # fmt: skip


def _cut(plain: Tensor, changed: Tensor) -> tuple[float, float]:
    """How much larger the share of values at the ends of the range becomes, and the range's width over the former."""
    at_ends = [float(((v == v.min()) | (v == v.max())).double().mean()) for v in (plain, changed)]
    widths = [float(v.max() - v.min()) for v in (plain, changed)]
    return at_ends[1] - at_ends[0], widths[1] / max(widths[0], 1e-12)
