"""A scaler that has seen the training split alone."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import flat
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

EXACT = 1e-4  # of a deviation: float32 sums of thousands of numbers; a sample's mean is off by 1 / sqrt(examples)


class ScalerFit(Check):
    """If both splits together have mean 0 and deviation 1 to rounding, and training has not, both were fitted."""

    name, rank, tip = "scaler_fit", 40, 17
    hypothesis = "The normalisation was computed on training examples alone."
    advice = "split first, then compute mean and deviation on the training split, and apply them to all"
    needs = ("finite_inputs", "input_scale")

    def measure(self, subject: Subject) -> Verdict:
        """Means and deviations of the features over training, and over both splits."""
        train, val = flat(subject.pool.inputs), flat(subject.given_val.inputs)
        if train.shape[1] != val.shape[1] or len(train) < 8:
            raise NotApplicable("the splits have inputs of other shapes, or too few of them")
        alone, both, val_alone = _off(train), _off(torch.cat([train, val])), _off(val)
        words = (
            f"features are off mean 0 and deviation 1 by {alone:.2g} in training and {both:.2g} in both splits together"
        )
        if val_alone < EXACT and len(val) >= 8:
            return self.failed(
                f"validation features have mean 0 and deviation 1 of their own, to {val_alone:.2g}",
                expected="near them, as a sample is", measured={"train": alone, "val": val_alone},
                advice="apply the training split's mean and deviation to validation, not its own",
            )  # fmt: skip
        return self.judged(
            not (both < EXACT < alone / 10),
            words,
            expected="exact in training, if anywhere",
            measured={"train": alone, "both": both},
        )


def _off(values: torch.Tensor) -> float:
    """The median feature's distance from mean 0 and deviation 1 (either convention of it)."""
    varying = values[:, values.std(0) > 0]
    if varying.shape[1] == 0:
        return float("inf")
    spread = torch.minimum((varying.std(0) - 1).abs(), (varying.std(0, correction=0) - 1).abs())
    return float(torch.maximum(varying.mean(0).abs(), spread).median())
