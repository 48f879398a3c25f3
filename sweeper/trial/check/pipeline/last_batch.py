"""The end of an epoch."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from sweeper.errors import words
from sweeper.trial.check.batches import gather
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class LastBatch(Check):
    """A size written into the model, squeeze() or batch norm over one example end a run when an epoch ends."""

    name, rank, tip = "last_batch", 90, 7
    hypothesis = "The last batch of an epoch, which is smaller, goes through model and loss."
    advice = (
        "take the size from the batch (len(x)), name the axis of squeeze(1), and use drop_last=True where batch norm "
        "would see one example"
    )
    needs = ("model_runs", "loss_runs", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """Run as many examples as are left over, in training mode; and those of validation in evaluation mode."""
        sizes = [(_left_over(loader), training) for loader, training in
                 ((subject.loader, True), (subject.val_loader, False))]  # fmt: skip
        known = [(size, training) for size, training in sizes if size]
        if not known:
            raise NotApplicable("all batches are of one size, or data did not come as a loader")
        for size, training in known:
            batch = (subject.pool if training else subject.given_val).first(size)
            try:
                with torch.set_grad_enabled(training):
                    subject.batch_loss(batch, training=training)
            except Exception as error:
                return self.failed(
                    f"the last batch of {'training' if training else 'validation'} has {size} examples, and raises "
                    f"{type(error).__name__}: {words(error)[:200]}",
                    expected="it runs", measured={"size": size},
                )  # fmt: skip
        return self.passed(f"last batches of {' and '.join(str(size) for size, _ in known)} examples run")


def _left_over(loader: object) -> int:
    """How many examples the last batch has where it is smaller than the others; else 0."""
    if isinstance(loader, DataLoader):
        if loader.batch_size is None or loader.drop_last or not hasattr(loader.dataset, "__len__"):
            return 0
        count = len(loader.sampler) if hasattr(loader.sampler, "__len__") else len(loader.dataset)  # type: ignore[arg-type]
        return int(count % loader.batch_size)
    if isinstance(loader, (list, tuple)):
        sizes = [len(batch) for batch in gather(loader, most=10**9)[0]]
        return sizes[-1] if sizes[-1] < max(sizes) else 0
    return 0
