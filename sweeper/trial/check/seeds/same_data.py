"""The same seed, the same batches."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import flat, gather, main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.pipeline.augmented import augmented
from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything
from sweeper.trial.verdict import Verdict

LOOKED_AT = 256


class SameData(Check):
    """A loader with a generator of its own that nobody seeds gives another order in each run."""

    name, rank, tip = "same_data", 30, 8
    hypothesis = "After seeding, the training loader gives the same examples in the same order."
    advice = (
        "seed the generator of sampler and augmentation: DataLoader(..., generator=torch.Generator().manual_seed(0))"
    )

    def measure(self, subject: Subject) -> Verdict:
        """The first examples of two epochs, each after the same seed, or of a generator that goes on by design."""
        if subject.augment is not None and (gap := _augmentation_gap(subject)) > 0:
            return self.failed(
                f"two augmentations of one batch after the same seed differ by {gap:.3g}", expected="no difference",
                advice="draw from torch's or numpy's global generator, or from the generator that is given",
            )  # fmt: skip
        loader = subject.loader
        if loader is None or isinstance(loader, (list, tuple)):
            raise NotApplicable("data did not come as a loader")
        own = getattr(loader, "generator", None)
        state = own.get_state() if isinstance(own, torch.Generator) else None
        seen = []
        for _ in range(2):
            seed_everything(subject.seed, "data")
            if isinstance(own, torch.Generator) and state is not None:
                own.set_state(state)
            batch = gather(loader, most=LOOKED_AT)[1]
            seen.append((flat(batch.inputs).nan_to_num(), batch.targets.nan_to_num()))
        if seen[0][0].shape != seen[1][0].shape:
            return self.failed("two epochs after the same seed have other shapes", expected="no difference")
        gap = float((seen[0][0] - seen[1][0]).abs().max())
        same = gap == 0 and torch.equal(seen[0][1], seen[1][1])
        return self.judged(
            same, f"the first {len(seen[0][1])} examples after the same "
            "seed " + ("agree" if same else f"differ by {gap:.3g}"),
            expected="no difference",
        )  # fmt: skip


def _augmentation_gap(subject: Subject) -> float:
    try:
        first, second = (main(augmented(subject, subject.batch, 1).inputs).double() for _ in range(2))
    except OwnCodeFailed:  # augmentation_range says so
        return 0.0
    return float((first - second).abs().max()) if first.shape == second.shape else 0.0
