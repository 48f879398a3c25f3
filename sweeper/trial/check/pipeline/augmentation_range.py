"""Augmented inputs in the range of the plain ones."""

from __future__ import annotations

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check
from sweeper.trial.check.pipeline.augmented import augmented
from sweeper.trial.check.subject import OwnCodeFailed, Subject
from sweeper.trial.pictures import Picture, montage
from sweeper.trial.verdict import Verdict

FARTHER = 1.0  # of the plain range, beyond it: noise and brightness go a little out of range, other units far
SPREAD = 3.0


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
        holds = bool(changed.isfinite().all()) and out <= FARTHER and shift <= 1 and 1 / SPREAD < ratio < SPREAD
        pictures: tuple[Picture, ...] = ()
        if changed.ndim == 4 and changed.shape[1] in (1, 3):
            pictures = (montage(changed[:16].cpu().numpy(), [""] * min(16, len(changed)), "Augmented inputs"),)
        return self.judged(
            holds, words, expected=expected, pictures=pictures,
            measured={"out": out, "shift": shift, "ratio": ratio},
        )  # fmt: skip
