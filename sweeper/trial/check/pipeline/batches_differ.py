"""Batches that are not one batch."""

from __future__ import annotations

from sweeper.trial.check.batches import flat, gather
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class BatchesDiffer(Check):
    """An iterator made anew in each step, or a sampler that starts over, gives the first batch for ever."""

    name, rank, tip = "batches_differ", 5, 8
    hypothesis = "The batches of an epoch are different ones."
    advice = "iterate over the loader once an epoch (for batch in loader), not next(iter(loader)) in each step"

    def measure(self, subject: Subject) -> Verdict:
        """How many of the first batches are there for the first time."""
        if subject.loader is None:
            raise NotApplicable("data did not come in batches")
        batches, _ = gather(subject.loader)
        if len(batches) < 3:
            raise NotApplicable("there are fewer than three batches")
        contents = {(flat(b.inputs).numpy().tobytes(), b.targets.cpu().numpy().tobytes()) for b in batches}
        return self.judged(
            len(contents) > len(batches) / 2, f"{len(contents)} of the first {len(batches)} batches are different",
            expected="all", measured={"different": len(contents)},
        )  # fmt: skip
