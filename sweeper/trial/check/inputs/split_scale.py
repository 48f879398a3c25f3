"""Validation inputs scaled as training inputs are."""

from __future__ import annotations

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class SplitScale(Check):
    """Two samples of one population have like moments; another transform of one of them shows."""

    name, rank, tip = "split_scale", 50, 17
    hypothesis = "Validation inputs went through the same normalisation as training inputs."
    advice = "apply the training split's mean and deviation to both splits, in one place"
    needs = ("input_scale",)

    def measure(self, subject: Subject) -> Verdict:
        """Difference of means in training deviations, and ratio of deviations."""
        train, val = (main(batch.inputs).detach().double().cpu() for batch in (subject.pool, subject.given_val))
        if not main(subject.pool.inputs).is_floating_point() or float(train.std()) == 0 or val.numel() < 2:
            raise NotApplicable("inputs are no real numbers that vary")
        shift = float((val.mean() - train.mean()) / train.std())
        ratio = float(val.std() / train.std())
        return self.judged(
            abs(shift) < 1 and 0.4 < ratio < 2.5,
            f"validation mean is {shift:+.2f} training deviations off, its deviation {ratio:.2f} times as large",
            expected="within 1 deviation and a factor of 2.5, far beyond what sampling does",
            measured={"shift": shift, "ratio": ratio},
        )
