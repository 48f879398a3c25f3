"""The losses of many batches, not of the first alone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch

from sweeper.trial.check.batches import Batch, unpack
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.inputs.labels_in_range import IGNORE
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

BATCHES = 128
SECONDS = 1.0  # for each of training and validation


class EachLossFinite(Check):
    """A mean over nothing is 0 / 0: a batch without a positive, or whose every target is ignored, ends a training."""

    name, rank, tip = "each_loss_finite", 16, 7
    hypothesis = "The loss of each batch is a finite number."
    advice = (
        "divide by max(count, 1) where what is counted may be missing from a batch; skip batches whose every target "
        "is ignored"
    )
    needs = ("model_runs", "loss_runs", "finite_inputs")

    def measure(self, subject: Subject) -> Verdict:
        """The loss of up to 128 batches as the loaders give them, before any step."""
        losses = {
            name: _losses(subject, loader, training)
            for name, loader, training in (
                ("training", subject.loader, True),
                ("validation", subject.val_loader, False),
            )
            if loader is not None
        }
        if not any(losses.values()):
            raise NotApplicable("data did not come in batches")
        bad = {name: [why for value, why in found if not math.isfinite(value)] for name, found in losses.items()}
        words = " and ".join(f"{len(bad[name])} of {len(found)} {name} batches" for name, found in losses.items())
        why = next((reason for reasons in bad.values() for reason in reasons if reason), "")
        return self.judged(
            not any(bad.values()), f"the loss of {words} is NaN or infinite" + (f"; {why}" if why else ""),
            expected="none", measured={"bad": sum(map(len, bad.values()))},
        )  # fmt: skip


def _losses(subject: Subject, loader: Iterable[Any], training: bool) -> list[tuple[float, str]]:
    """(loss, what is peculiar to the targets) of the first batches."""
    found = []
    began = time.perf_counter()
    with torch.no_grad():
        for raw in islice(loader, BATCHES):
            batch = unpack(raw).to(subject.batch.targets.device)
            try:
                loss = float(subject.batch_loss(batch, training=training))
            except Exception:  # last_batch says so
                loss = 0.0
            found.append((loss, _peculiar(batch)))
            if time.perf_counter() - began > SECONDS:
                break
    return found


def _peculiar(batch: Batch) -> str:
    kinds = torch.unique(batch.targets)
    if len(kinds) != 1:
        return ""
    if float(kinds[0]) == IGNORE:
        return "every target of such a batch is ignored (-100)"
    return f"every target of such a batch is {float(kinds[0]):g}"
