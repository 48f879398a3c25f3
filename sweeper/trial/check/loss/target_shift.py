"""Next-token targets that are one position ahead, once."""

from __future__ import annotations

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.graph.sequences import next_token_offset
from sweeper.trial.check.loss.shift import shift_in_loss
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class TargetShift(Check):
    """Data and loss both shift: the net learns the token after the next. Neither does: it learns to copy."""

    name, rank, tip = "target_shift", 80, 17
    hypothesis = "The output at a position is compared with the token right after it."
    advice = "shift either in the data (targets = tokens[1:]) or in the loss, and only there"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """How far targets are ahead in the data, plus how far in the loss; by the gradient of each output."""
        in_data = next_token_offset(subject)
        if in_data is None:
            raise NotApplicable("targets are not the inputs' next tokens")
        in_loss = shift_in_loss(subject)
        total = in_data + in_loss
        return self.judged(
            total == 1, f"targets are {in_data} ahead in the data and {in_loss} more in the loss", expected="1 in all",
            measured={"ahead": total},
        )  # fmt: skip
