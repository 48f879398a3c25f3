"""Examples that differ."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from torch.utils.data import DataLoader, IterableDataset

from sweeper.trial.check.batches import flat
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

DRAWN = 10_000  # draws that are looked at
LEAST = 0.1  # of them are different examples; chance alone gives 63 %, balancing rare classes less


class InputsVary(Check):
    """A loader that returns one example over and over has nothing to teach."""

    name, rank, tip = "inputs_vary", 30, 17
    hypothesis = "Examples differ from each other."
    advice = "look at the index in the data source; each item must be its own example"

    def measure(self, subject: Subject) -> Verdict:
        """Features that are the same in all examples; examples that an epoch's sampler draws."""
        values = flat(subject.pool.inputs)
        if len(values) < 2:
            raise NotApplicable("there is one example")
        drawn = list(islice(_sampler(subject), DRAWN))
        if len(set(drawn)) < LEAST * len(drawn):
            return self.failed(
                f"the sampler draws {len(set(drawn))} different examples in {len(drawn)} draws",
                expected=f"more than {LEAST:.0%}, as chance has it", measured={"drawn": len(set(drawn))},
                advice="give WeightedRandomSampler a weight for each example, not for each class: weights[labels]",
            )  # fmt: skip
        varying = int((values != values[0]).any(0).sum())
        return self.judged(
            varying > 0,
            f"{varying} of {values.shape[1]} features vary over {len(values)} examples",
            expected="some that vary",
            measured={"varying_features": varying},
        )


def _sampler(subject: Subject) -> Iterable[int]:
    """The order in which an epoch reads its data set; nothing where that is unknown."""
    loader = subject.loader
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset) or loader.batch_size is None:
        return ()
    return loader.sampler
