"""Squashed units in their steep part."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.init.activations import SOFTMAX, SQUASHERS, Activation, activations, trained_before
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

KINDS = SQUASHERS | {SOFTMAX}
FLAT = 0.05  # of the steepest slope: tanh beyond ±0.975, sigmoid outside 0.013 to 0.987
MOST = 0.5  # of a layer's outputs; inputs of deviation 1 give 3 % for tanh


class SaturatedUnits(Check):
    """Where tanh, sigmoid or softmax is flat, gradients are near 0."""

    name, rank, tip = "saturated_units", 40, 11
    hypothesis = "At the start most outputs of tanh, sigmoid and softmax are where these are steep."
    advice = "scale the weights before it down, normalise the inputs, and divide attention's scores by sqrt(width)"
    needs = ("model_runs", "input_scale", "init_scale")

    def measure(self, subject: Subject) -> Verdict:
        """Share of each layer's outputs where the slope is below 5 % of its most."""
        layers = [a for a in activations(subject) if a.kind in KINDS]
        if not layers:
            raise NotApplicable("the model has no tanh, sigmoid or softmax")
        shares = {
            f"layer {n + 1}": float((_slope(a) < FLAT).double().mean().nan_to_num()) for n, a in enumerate(layers)
        }
        worst = max(shares, key=lambda name: shares[name])
        if shares[worst] > MOST:
            changing = [moved for a, moved in zip(activations(subject), trained_before(subject), strict=True)
                        if a.kind in KINDS]  # fmt: skip
            shares = {name: share for (name, share), moved in zip(shares.items(), changing, strict=True) if moved}
            if not shares:
                raise NotApplicable("nothing trainable lies before them")
            worst = max(shares, key=lambda name: shares[name])
        return self.judged(
            shares[worst] <= MOST, f"{shares[worst]:.0%} of the outputs of squashing {worst} are saturated",
            expected=f"at most {MOST:.0%}", measured={"worst_share": shares[worst]},
            pictures=(bars(shares, "Share of saturated outputs at the start", y="share"),),
        )  # fmt: skip


def _slope(activation: Activation) -> Tensor:
    """Slope over the steepest one."""
    y = activation.outputs
    if activation.kind == SOFTMAX:  # over two places or more: elsewhere a mask leaves one
        y = y[(y > 0).sum(-1) > 1].max(-1).values
        return torch.where(y > 0.5, 4 * y * (1 - y), 1.0)
    return 1 - y.square() if activation.kind == "tanh" else 4 * y * (1 - y)
