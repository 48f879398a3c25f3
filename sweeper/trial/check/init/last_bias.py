"""The last bias near the best constant answer."""

from __future__ import annotations

import math

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.init.first_loss import first_loss
from sweeper.trial.check.inputs.labels_in_range import of_vocabulary
from sweeper.trial.check.outputs import CLASSES, VALUES
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

NATS = 0.5  # more than an even start costs with nine in ten examples of one class (0.37)
RATIO = 3.0  # the mean is then 1.4 times as far from the start as the targets are from the mean


class LastBias(Check):
    """The first steps need not learn what the prior or the mean says (recipe tip 12)."""

    name, rank, tip = "last_bias", 60, 12
    hypothesis = "The last bias, as an answer to all, is about as good as the best constant one."
    advice = (
        "start the last bias at the mean of the targets, or the log prior of the classes; or standardise the targets"
    )
    needs = ("model_runs", "loss_runs", "softmax_once", "loss_sign", "right_loss", "loss_broadcast", "loss_mean",
             "output_activation", "regularizer_share")  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """The loss of the last bias as the answer to all examples, against that of the best constant."""
        found = first_loss(subject)
        if subject.kind.name == CLASSES and subject.batch.targets.ndim == 2 and of_vocabulary(subject):
            raise NotApplicable("the classes are tokens: how rare each is, the first hundred steps teach")
        if not found.has_bias:
            raise NotApplicable("the outputs are not those of a last layer with a bias")
        if not math.isfinite(found.best):
            raise NotApplicable(f"the loss of a constant answer is {found.best:.3g}")
        if subject.kind.name == VALUES and min(found.best, found.zero) < 0:
            raise NotApplicable("the loss may be negative, so that no ratio of two says how good they are")
        words = f"the last bias as the answer costs {found.bias:.4g}, the best constant one {found.best:.4g}"
        measured = {"bias": found.bias, "best": found.best}
        if subject.kind.name == VALUES:
            # where 0 is a fair answer, torch's own bias, up to 1 / sqrt(inputs a unit), may be as far off again
            ratio = RATIO if found.zero > RATIO * found.best else 2 * RATIO
            holds = found.bias <= ratio * found.best + 1e-6
            return self.judged(holds, words, expected=f"at most {ratio:g} times the best", measured=measured)
        return self.judged(found.bias <= found.best + NATS, words, expected=f"at most {NATS:g} more", measured=measured)
