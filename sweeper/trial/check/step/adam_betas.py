"""Adam's averages and its eps, as they were meant."""

from __future__ import annotations

import math
from typing import Any

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import two_steps
from sweeper.trial.check.subject import HALF_EPS, Subject
from sweeper.trial.verdict import Verdict

KINDS = ("Adam", "NAdam", "RAdam", "AdamW", "Adamax", "LAMB", "AdaBelief")
SHARE = 0.1  # of the step that the rate promises: below it Adam is plain descent with a rate of lr / eps
USUAL = 1e-4  # a step that is as large all the same: a rate that was chosen for this eps
NO_MATTER = 1e-3  # weights with smaller gradients, over the root mean square, hardly count


class AdamBetas(Check):
    """Adam divides an average of gradients by the root of a longer one of their squares (Kingma & Ba 2015).

    Its step is then about the rate, whatever the gradient's size, if eps is below that; and it can't converge where
    the first average is the longer one, with beta1 above the root of beta2 (Reddi et al. 2018).
    """

    name, rank, tip = "adam_betas", 15, 22
    hypothesis = "Adam's second average is the longer one, and eps is far below the gradients."
    advice = "name the arguments: Adam(parameters, lr=…, betas=(0.9, 0.999), eps=1e-8, weight_decay=…)"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "step_order")

    def measure(self, subject: Subject) -> Verdict:
        """The settings of each group, and the first gradient beside eps."""
        groups = [g for g in subject.given_optimizer.param_groups if "betas" in g and "eps" in g]
        if not groups or type(subject.given_optimizer).__name__ not in KINDS:
            raise NotApplicable("the optimizer is not Adam or one like it")
        for beta1, beta2 in (group["betas"] for group in groups):
            if not float(beta1) < math.sqrt(float(beta2)):
                return self.failed(
                    f"betas are ({float(beta1):g}, {float(beta2):g}): gradients are averaged over longer than their "
                    "squares",
                    expected="beta1 less than the root of beta2", measured={"beta1": float(beta1)},
                    advice="exchange them: betas=(0.9, 0.999)",
                )  # fmt: skip
        dtypes = {p.dtype for group in groups for p in group["params"]}
        if any(_vanishes(group) for group in groups):
            return self.failed(
                f"eps is {min(float(g['eps']) for g in groups):g}, nothing in {', '.join(map(str, dtypes))}: a weight "
                "without gradient becomes 0 / 0",
                expected="a number above 0", advice="keep eps=1e-8, or 1e-4 in half precision",
            )  # fmt: skip
        eps = max(float(group["eps"]) for group in groups)
        seen = two_steps(subject)[0]
        gradient = (seen.right if seen.used is None else seen.used).abs()
        size = float(gradient.square().mean().sqrt())
        counted = gradient[gradient > NO_MATTER * size].double()
        if not len(counted) or torch.float16 in dtypes:
            raise NotApplicable("the gradients are zero, or of half precision")
        share = float((counted / (counted + eps)).median())
        lr = max(float(group.get("max_lr", group.get("initial_lr", group["lr"]))) for group in groups)
        return self.judged(
            share > SHARE or eps <= HALF_EPS or lr * share > USUAL,
            f"with eps {eps:g} beside gradients of {size:.2g} the median weight makes {share:.2g} of a step of the "
            "rate's size",
            expected=f"more than {SHARE:g}", measured={"share": share},
        )  # fmt: skip


def _vanishes(group: dict[str, Any]) -> bool:
    return any(not float(torch.tensor(float(group["eps"]), dtype=p.dtype)) > 0 for p in group["params"])
