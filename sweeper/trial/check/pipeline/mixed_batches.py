"""Batches that are samples of the whole."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import gather
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

SIGMAS = 5.0


class MixedBatches(Check):
    """In a batch of sorted data all labels are alike, and each step unlearns the last."""

    name, rank, tip = "mixed_batches", 20, 8
    hypothesis = "Labels vary within a batch as they vary over the data."
    advice = "shuffle the examples before they are cut into batches"
    needs = ("shuffled", "labels_in_range")

    def measure(self, subject: Subject) -> Verdict:
        """Variance of the labels between batches against that of random batches (one-way analysis of variance)."""
        if subject.loader is None:
            raise NotApplicable("data did not come in batches")
        batches, _ = gather(subject.loader)
        parts = [subject.labels(b.targets).double().cpu() for b in batches if len(b) > 1]
        parts = [part[part.isfinite()] for part in parts]
        if len(parts) < 3 or sum(len(p) for p in parts) < 32:
            raise NotApplicable("there are fewer than three batches")
        whole = torch.cat(parts)
        within = sum(float((p - p.mean()).square().sum()) for p in parts) / (len(whole) - len(parts))
        between = sum(len(p) * float((p.mean() - whole.mean()) ** 2) for p in parts) / (len(parts) - 1)
        if float(whole.var()) == 0:
            raise NotApplicable("all labels are the same")
        ratio = between / max(within, 1e-12 * float(whole.var()))
        limit = 1 + SIGMAS * (2 / (len(parts) - 1)) ** 0.5 + SIGMAS**2 * 2 / (len(parts) - 1)
        return self.judged(
            ratio <= limit, f"labels vary {ratio:.3g} times as much between batches as chance has it",
            expected=f"1, by chance up to {limit:.2g}", measured={"ratio": ratio},
        )  # fmt: skip
