"""Examples that differ."""

from __future__ import annotations

from sweeper.trial.check.batches import flat
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class InputsVary(Check):
    """A loader that returns one example over and over has nothing to teach."""

    name, rank, tip = "inputs_vary", 30, 17
    hypothesis = "Examples differ from each other."
    advice = "look at the index in the data source; each item must be its own example"

    def measure(self, subject: Subject) -> Verdict:
        """Features that are the same in all examples."""
        values = flat(subject.pool.inputs)
        if len(values) < 2:
            raise NotApplicable("there is one example")
        varying = int((values != values[0]).any(0).sum())
        return self.judged(
            varying > 0,
            f"{varying} of {values.shape[1]} features vary over {len(values)} examples",
            expected="some that vary",
            measured={"varying_features": varying},
        )
