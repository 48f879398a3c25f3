"""Targets that go with their augmented inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST, features, sample, standardised
from sweeper.trial.check.pipeline.augmented import in_batches
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

TELLS, AGAINST = 0.5, -0.3  # correlations of a linear model's predictions: on plain examples, on augmented ones


class TargetsFollow(Check):
    """A picture that is mirrored turns its steering angle round, and has its key points on the other side."""

    name, rank, tip = "targets_follow", 45, 26
    hypothesis = "Values to be predicted go with the augmented inputs."
    advice = "change the targets as the inputs are: mirrored positions are width - 1 - x, mirrored angles -angle"
    needs = ("augmentation_range", "labels_aligned")

    def measure(self, subject: Subject) -> Verdict:
        """Correlations of targets with a linear model's predictions, plain and augmented, on examples left out."""
        pool = sample(subject.pool)
        changed = in_batches(subject, pool)
        if subject.is_labels or not pool.targets.is_floating_point():
            raise NotApplicable("targets are no values")
        if changed.targets.shape != pool.targets.shape or len(pool) < 2 * FEWEST:
            raise NotApplicable("targets have another shape, or there are too few examples")
        raw, after = features(pool), features(changed)
        half = len(pool) // 2
        left_out = torch.arange(len(pool)) >= half
        augmented = left_out & (raw != after).any(1)
        if raw.shape != after.shape or augmented.sum() < FEWEST:
            raise NotApplicable("augmentation changes too few inputs, or their shape")
        y, given = (t.reshape(len(pool), -1).double().cpu() for t in (pool.targets, changed.targets))
        x, x_after = standardised(raw, raw[:half]), standardised(after, raw[:half])
        weights = _ridge(x[:half], y[:half] - y[:half].mean(0))
        plain = _correlations(x[left_out] @ weights, y[left_out])
        now = _correlations(x_after[augmented] @ weights, given[augmented])
        known = plain > TELLS
        if not known.any():
            raise NotApplicable("a linear model can't tell the targets")
        least = float(now[known].min())
        return self.judged(
            least > AGAINST, f"a linear model's predictions correlate {float(plain[known].mean()):+.2f} with plain "
            f"targets, and {least:+.2f} or more with augmented ones", expected=f"not below {AGAINST:g}",
            measured={"plain": float(plain[known].mean()), "augmented": least},
        )  # fmt: skip


def _ridge(x: Tensor, y: Tensor) -> Tensor:
    gram = x.T @ x
    gram.diagonal().add_(0.1 * float(x.square().sum(1).mean()) + 1e-9)
    weights: Tensor = torch.linalg.solve(gram, x.T @ y)
    return weights


def _correlations(predicted: Tensor, y: Tensor) -> Tensor:
    """(targets,); 0 where one of the two does not vary."""
    a, b = predicted - predicted.mean(0), y - y.mean(0)
    scale = a.norm(dim=0) * b.norm(dim=0)
    return torch.where(scale > 1e-12, (a * b).sum(0) / scale.clamp(min=1e-12), torch.zeros(()).double())
