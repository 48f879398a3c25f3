"""More capacity, lower training loss."""

from __future__ import annotations

from dataclasses import replace

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.pictures import curves
from sweeper.trial.verdict import Verdict

STEPS, EXAMPLES = 40, 64
WORSE = 1.1  # twice the width may end a little higher by chance; a bug ends far higher


class Capacity(Check):
    """A wider model that learns worse has something in it that does not scale (recipe tip 16)."""

    name, rank, tip = "capacity", 30, 16
    hypothesis = "Twice the width learns one batch at least as well."
    advice = "look at initialisation and learning rate as the width grows, and at what the extra units are for"
    needs = ("overfit_batch",)

    def measure(self, subject: Subject) -> Verdict:
        """The loss after 40 steps of Adam on one batch, at the model's width and at twice that."""
        if subject.wider is None:
            raise NotApplicable("the model has no width to double")
        batch = subject.batch.first(EXAMPLES)
        losses = {"as configured": train(subject, lambda _: batch, steps=STEPS, lr=1e-3)}
        wide = replace(subject, model=subject.wider(), optimizer=None, scheduler=None, facts={})
        losses["twice the width"] = train(wide, lambda _: batch, steps=STEPS, lr=1e-3)
        narrow, broad = (series[-1] for series in losses.values())
        return self.judged(
            broad <= WORSE * narrow + 1e-3, f"the loss after {STEPS} steps is {narrow:.4g}, {broad:.4g} at twice "
            "the width",
            expected="no more at twice the width", measured={"narrow": narrow, "wide": broad},
            pictures=(curves(losses, "Loss on one batch", y="loss"),),
        )  # fmt: skip
