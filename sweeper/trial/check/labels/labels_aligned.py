"""Labels that belong to their inputs."""

from __future__ import annotations

import time

import torch

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check
from sweeper.trial.check.labels.simple import (
    SIGMAS,
    features,
    left_out,
    on_training,
    sample,
    standardised,
    targets_matrix,
)  # fmt: skip
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.verdict import Verdict

SHIFTS = (1, -1, 2, -2, 3, -3)
SECONDS = 20.0  # after which the model is not trained on
STEPS = ((150, 1e-3), (450, 3e-3))  # and rates, of the model itself


class LabelsAligned(Check):
    """If labels were shuffled, shifted or drawn at random, nothing could predict them on new examples."""

    name, rank, tip = "labels_aligned", 10, 3
    hypothesis = "A simple model predicts labels that it has not seen better than chance."
    advice = "look at pictures and labels of one batch; sort inputs and targets by one and the same index"
    needs = ("finite_inputs", "labels_in_range", "inputs_vary")

    def measure(self, subject: Subject) -> Verdict:
        """Ridge and nearest neighbour, left one out, against shuffled labels; else the model itself, held out."""
        found = on_training(subject)
        kind = "balanced accuracy" if subject.is_labels else "correlation"
        words = (
            f"a simple model's {kind} is {found.score:.3f}, {found.chance:.3f} ± {found.sigma:.3f} with shuffled labels"
        )
        measured = {"score": found.score, "chance": found.chance}
        expected = f"more than {SIGMAS:g} deviations above chance"
        if found.z > SIGMAS:
            return self.passed(words, expected=expected, measured=measured)
        shift = self._shift(subject)
        if shift is not None:
            return self.failed(
                f"{words}; with labels moved by {shift} it predicts them", expected=expected, measured=measured,
                advice=f"inputs and labels are {abs(shift)} example(s) apart: build them from one index",
            )  # fmt: skip
        own = own_model(subject)
        if own > SIGMAS:
            return self.passed(f"{words}; the model itself predicts new ones {own:.1f} deviations above chance",
                               expected=expected, measured=measured)  # fmt: skip
        return self.failed(words, expected=expected, measured=measured)

    def _shift(self, subject: Subject) -> int | None:
        if subject.ordered is None:
            return None
        batch = sample(subject.ordered)
        x, y = standardised(features(batch)), targets_matrix(subject, batch.targets)
        scores = {shift: left_out(x, y.roll(shift, 0), subject.is_labels).z for shift in SHIFTS}
        best = max(scores, key=lambda shift: scores[shift])
        return best if scores[best] > SIGMAS + 2 else None


def own_model(subject: Subject) -> float:
    """Deviations above chance of the model's loss on a half that it has not seen: for what simple models miss."""
    half = len(subject.pool) // 2
    rows = torch.arange(len(subject.pool))
    seen, unseen = subject.pool.take(rows[:half]), subject.pool.take(rows[half:])
    size = min(64, half)
    generator = torch.Generator().manual_seed(0)
    found, began = 0.0, time.perf_counter()
    for steps, rate in STEPS:
        if time.perf_counter() - began > SECONDS:
            break
        train(subject, lambda _: seen.take(torch.randperm(half, generator=generator)[:size]), steps=steps, lr=rate)
        if (found := _above(subject, unseen, generator)) > SIGMAS:
            break
    return found


def _above(subject: Subject, unseen: Batch, generator: torch.Generator) -> float:
    with torch.no_grad():
        raw = subject.forward(unseen.inputs)
        right = float(subject.loss(raw, unseen.targets))
        shuffled = torch.tensor([
            float(subject.loss(raw, unseen.targets[torch.randperm(len(unseen), generator=generator)]))
            for _ in range(20)
        ])  # fmt: skip
    return float((shuffled.mean() - right) / shuffled.std().clamp(min=1e-9))
