"""A loss that ends somewhere."""

from __future__ import annotations

import math
from itertools import pairwise

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import VALUES
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.pictures import curves
from sweeper.trial.verdict import Verdict

STEPS, EXAMPLES, RATE = 150, 64, 1e-2
FASTER = 1.5  # times the fall of the third before: a logarithm of a variance slows down


class LossFloor(Check):
    """A term with the wrong sign, or a cross-entropy with targets beyond 0 and 1, falls below 0 ever faster."""

    name, rank, tip = "loss_floor", 5, 15
    hypothesis = "The training loss has a floor."
    advice = (
        "look for a term that is subtracted (a divergence, a penalty), and for targets outside of what the loss takes"
    )
    needs = ("model_runs", "loss_runs", "loss_sign", "right_loss", "softmax_once", "detached_graph", "input_scale")

    def measure(self, subject: Subject) -> Verdict:
        """The fall of the loss of one batch in each third of 150 steps of Adam."""
        if not subject.supervised:
            raise NotApplicable("the loss does not look at the targets: a critic's, or a bound's, need have no floor")
        alone = subject.first_outputs.numel() == subject.batch.targets.numel()
        if subject.kind.name == VALUES and subject.plain_loss and not alone:
            raise NotApplicable("targets may be weights of the outputs, as advantages are, and negative")
        batch = subject.batch.first(EXAMPLES)
        third = STEPS // 3
        losses = train(subject, lambda _: batch, steps=third, lr=RATE)
        if losses[-1] > 0:
            return self.passed(f"the loss of one batch is {losses[-1]:.4g} after {third} steps", expected="a floor")
        if not math.isfinite(losses[-1]):
            raise NotApplicable("the loss becomes no number")
        losses += train(subject, lambda _: batch, steps=2 * third, lr=RATE)
        ends = [losses[i] for i in (third // 2, third, 2 * third, -1)]
        if not all(map(math.isfinite, ends)):
            raise NotApplicable("the loss becomes no number")
        falls = [a - b for a, b in pairwise(ends[1:])]
        return self.judged(
            falls[1] <= FASTER * falls[0] or falls[1] <= abs(losses[0]),
            f"the loss of one batch goes {losses[0]:.3g} to {losses[-1]:.3g} in {len(losses)} steps, by {falls[0]:.3g} "
            f"in the second third and {falls[1]:.3g} in the last",
            expected="a fall that slows down", measured={"last": losses[-1]},
            pictures=(curves({"loss": losses}, "Loss on one batch", y="loss"),),
        )  # fmt: skip
