"""Dropout that leaves enough of a layer."""

from __future__ import annotations

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import DROPOUT, Subject
from sweeper.trial.verdict import Verdict

MOST = 0.8  # of the units: Srivastava et al. 2014 drop 20 % of inputs and 50 % of hidden units


class DropoutShare(Check):
    """``p`` is the share that is dropped; elsewhere it is the share that is kept."""

    name, rank, tip = "dropout_share", 55, 33
    hypothesis = "Dropout leaves at least a fifth of each layer."
    advice = "nn.Dropout(p) drops the share p: to keep 95 % write nn.Dropout(0.05)"

    def measure(self, subject: Subject) -> Verdict:
        """The largest share that a module drops."""
        shares = {name: float(m.p) for name, m in subject.model.named_modules() if isinstance(m, DROPOUT)}
        if not shares:
            raise NotApplicable("the model has no dropout module")
        worst = max(shares, key=lambda name: shares[name])
        return self.judged(
            shares[worst] <= MOST, f"{worst} drops {shares[worst]:.0%} of its units", expected=f"at most {MOST:.0%}",
            measured={"share": shares[worst]},
        )  # fmt: skip
