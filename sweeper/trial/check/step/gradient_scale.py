"""A gradient of the size that the loss has."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import Seen, two_steps
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

ALIGNED = 0.7  # cosine: below it they are different gradients, not one of two sizes
CLIPPED = 0.99  # of the norm
SAME = 0.9999  # cosine: the same gradient but for its size
PART, NEAR, OTHER = 0.7, 1e-3, 0.01  # a share, by how much two shares may differ, and by how much two norms must
MORE, LESS = 1.5, 1e-3  # times; clipping makes it less, and to a thousandth only by mistake


class GradientScale(Check):
    """Parts of a batch that are added make the gradient as many times as large; clipping or half precision ends it."""

    name, rank, tip = "gradient_scale", 25, 7
    hypothesis = "The optimizer gets the gradient of the mean loss of the batch, or that clipped."
    advice = "divide the loss of each part by the number of parts before backward()"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "step_order", "fresh_gradients", "loss_sign",
             "loss_mean", "loss_broadcast", "regularizer_share", "train_mode")  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """The first step's gradient, as the optimizer gets it, over that of the loss."""
        first, second = two_steps(subject)
        if first.used is None or not float(first.right.norm()) > 0:
            raise NotApplicable("the optimizer that was given makes no step, or the gradient is zero")
        right, used = first.right.double(), first.used.double()
        cosine = float(torch.cosine_similarity(used, right, 0))
        ratio = float(used.norm() / right.norm())
        words = f"the optimizer gets {ratio:.3g} times the loss's gradient (cosine {cosine:.2f})"
        if ratio < LESS:
            return self.failed(
                words, expected=f"at least {LESS:g}", measured={"ratio": ratio},
                advice="raise the clipping value, and scale the loss in half precision (torch.amp.GradScaler)",
            )  # fmt: skip
        if first.kept is not None and first.left is not None and _shrunk(first.kept, first.left):
            return self.failed(
                "the gradients are clipped after the optimizer has used them", expected="before optimizer.step()",
                measured={"ratio": ratio}, advice="write loss.backward(); clip_grad_norm_(…); optimizer.step()",
            )  # fmt: skip
        if (share := _divided(first, second)) is not None:
            return self.failed(
                f"the optimizer gets {share:.3g} times the loss's gradient in one step and the next: it is divided, "
                "not clipped",
                expected="1, or less when clipped", measured={"ratio": ratio},
                advice="divide the loss by the number of parts that are added before a step, and once",
            )  # fmt: skip
        return self.judged(
            cosine < ALIGNED or ratio < MORE, words, expected=f"1, or less when clipped; at most {MORE:g}",
            measured={"ratio": ratio},
        )  # fmt: skip


def _divided(*steps: Seen) -> float | None:
    """The share of the gradient that is left where it is the same of two gradients of other sizes."""
    shares, norms = [], []
    for seen in steps:
        if seen.used is None or not float(seen.used.norm()) > 0 or not float(seen.right.norm()) > 0:
            return None
        if float(torch.cosine_similarity(seen.used.double(), seen.right.double(), 0)) < SAME:
            return None
        norms.append(float(seen.used.norm()))
        shares.append(norms[-1] / float(seen.right.norm()))
    apart = max(norms) > (1 + OTHER) * min(norms)  # clipping makes them alike
    return shares[0] if apart and max(shares) < PART and max(shares) < (1 + NEAR) * min(shares) else None


def _shrunk(before: Tensor, after: Tensor) -> bool:
    """Each part is as it was or smaller, and some are: clipped by norm or by value, but not cleared."""
    same_signs = bool((after.sign() == before.sign()).all())
    return (
        same_signs
        and bool((after.abs() <= before.abs() * (1 + 1e-6)).all())
        and float(after.norm()) < CLIPPED * float(before.norm())
    )
