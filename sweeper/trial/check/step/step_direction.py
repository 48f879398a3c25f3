"""A step that lowers the loss."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import two_steps
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

OTHER = 0.5  # cosine: below it, what is minimised is mostly something else than the loss


class StepDirection(Check):
    """The optimizer goes against the gradient of the loss that was given."""

    name, rank, tip = "step_direction", 30, 7
    hypothesis = "A training step goes down the gradient of the loss."
    advice = "look for a minus before the loss, maximize=True, or a term that outweighs the loss"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "step_order", "fresh_gradients", "loss_sign",
             "regularizer_share")  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """Cosines of the gradient used, over two steps, and of the weights' change with the loss's gradient."""
        first, second = two_steps(subject)
        if float(first.right.norm()) == 0 or float(first.moved.norm()) == 0:
            raise NotApplicable("the first gradient or step is zero")
        moved = float(torch.cosine_similarity(first.moved, first.right, 0))
        # over two steps: at first gradients for other targets may look alike, as all say which classes are frequent
        pairs = [(seen.used, seen.right) for seen in (first, second) if seen.used is not None]
        cosines = [float(torch.cosine_similarity(got, right, 0)) for got, right in pairs]
        used = sum(cosines) / len(cosines) if cosines else -moved
        words = f"the gradient used has cosine {used:.2f} with the loss's, the step {moved:+.3f}"
        measured = {"gradient_cosine": used, "step_cosine": moved}
        if used >= OTHER and moved > 0:
            return self.failed(f"{words}: it goes up", expected="a step with a cosine below 0", measured=measured)
        return self.judged(used >= OTHER, words, expected=f"at least {OTHER:g}, and a step below 0", measured=measured)
