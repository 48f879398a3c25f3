"""Augmentation that is not the same each time."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import Batch, main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.pipeline.augmented import augmented
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class AugmentationVaries(Check):
    """The same noise in each epoch and for each example is another data set, not more of one."""

    name, rank, tip = "augmentation_varies", 50, 26
    hypothesis = "Augmentation differs between epochs, and between examples of a batch."
    advice = "draw from the generator that is given, or the global one; do not seed inside the augmentation"

    def measure(self, subject: Subject) -> Verdict:
        """Two epochs of one batch, and copies of one example in a batch."""
        size = min(len(subject.batch), 16)
        batch = subject.batch.first(size)
        first, second = (main(augmented(subject, batch, epoch).inputs) for epoch in (1, 2))
        if torch.equal(first, main(batch.inputs)) and torch.equal(second, main(batch.inputs)):
            raise NotApplicable("augmentation changes nothing")
        if torch.equal(first, second) and self._by_input_alone(subject, batch):
            raise NotApplicable("what it changes depends on the input alone, by design")
        same = torch.equal(first, second)
        return self.judged(
            not same,
            f"two epochs {'are the same' if same else 'differ'}",
            expected="other random numbers in each epoch",
        )

    def _by_input_alone(self, subject: Subject, batch: Batch) -> bool:
        """Copies of one example, at other places of the batch, become the same."""
        copies = batch.take(torch.zeros(len(batch), dtype=torch.long))
        changed = main(augmented(subject, copies, 1).inputs)
        return bool((changed == changed[0]).all())
