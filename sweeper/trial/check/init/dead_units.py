"""Rectifiers that let something through."""

from __future__ import annotations

import math

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.init.activations import RECTIFIERS, activations, by_unit
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

CHANCE = 1e-4


class DeadUnits(Check):
    """A unit that is 0 for every example gets no gradient and stays so.

    With weights as likely positive as negative, a unit is negative everywhere with a probability of at most one half:
    a layer fails where its dead units are too many for that.
    """

    name, rank, tip = "dead_units", 30, 11
    hypothesis = "At the start at most half of the rectified units are 0 for every example, as chance may have it."
    advice = "start biases at 0, normalise inputs, and look for an offset before the rectifier"
    needs = ("model_runs", "input_scale", "init_scale")

    def measure(self, subject: Subject) -> Verdict:
        """Units that are 0 for each of the first examples, layer by layer."""
        layers = [a for a in activations(subject) if a.kind in RECTIFIERS]
        if not layers:
            raise NotApplicable("the model has no rectifier")
        shares, bad = {}, []
        for number, layer in enumerate(layers):
            units = by_unit(layer.outputs)
            dead, total = int((units <= 0).all(0).sum()), units.shape[1]
            shares[f"layer {number + 1}"] = dead / total
            if len(units) >= 8 and (dead == total or _tail(total, dead) < CHANCE):
                bad.append(f"{dead} of {total} units of rectifier {number + 1}")
        worst = max(shares.values())
        return self.judged(
            not bad, ", ".join(bad[:3]) + " are dead" if bad else f"at most {worst:.0%} of a layer's units are dead",
            expected="at most half, to within chance", measured={"worst_share": worst},
            pictures=(bars(shares, "Share of dead units at the start", y="share"),),
        )  # fmt: skip


def _tail(total: int, dead: int) -> float:
    """Probability of ``dead`` or more among ``total`` at one half each."""
    if dead <= total / 2:
        return 1.0
    logs = [math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) - total * math.log(2)
            for k in range(dead, total + 1)]  # fmt: skip
    return sum(math.exp(v) for v in logs)
