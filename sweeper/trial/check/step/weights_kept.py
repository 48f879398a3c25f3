"""Updates that last."""

from __future__ import annotations

from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import Seen, two_steps
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

UNDONE = 0.9  # of the optimizer's step; a projection onto a sphere or to what is not negative takes back less
TAKEN = 0.1  # of a step, by a clamp
ENDS = 0.2  # of the weights lie at either end of their range: of a constraint of one side only one end is full


class WeightsKept(Check):
    """An average that is copied back, old weights that are loaded, or a clamp take back what the optimizer does."""

    name, rank, tip = "weights_kept", 7, 7
    hypothesis = "What the optimizer adds to the weights is still there after the training step."
    advice = "look at what the step writes into the weights after optimizer.step(): load_state_dict, copy_, clamp_"
    needs = ("model_runs", "loss_runs", "optimizer_parameters")

    def measure(self, subject: Subject) -> Verdict:
        """The share of the optimizer's update that is gone after two steps each, and weights at bounds of a clamp."""
        if subject.step is None:
            raise NotApplicable("no training step was given")
        seen = two_steps(subject)
        undone = [_undone(s) for s in seen]
        if any(share is None for share in undone):
            raise NotApplicable("the optimizer that was given makes no step")
        least = min(share for share in undone if share is not None)
        ends = min(_at_ends(seen[1].weights), _at_ends(seen[1].weights + seen[1].moved))
        words = f"{max(least, 0.0):.0%} of the optimizer's update is taken back within the step"
        if ends >= ENDS and (undone[1] or 0.0) > TAKEN:
            return self.failed(
                f"{ends:.0%} of the weights or more lie at each end of their range: they are clamped",
                expected=f"less than {ENDS:.0%}", measured={"ends": ends},
                advice="remove the clamp, or give it room: weights need their usual size",
            )  # fmt: skip
        return self.judged(least < UNDONE, words, expected="none, or little", measured={"undone": least})


def _undone(seen: Seen) -> float | None:
    if seen.updates != 1 or seen.stepped is None or not float(seen.stepped.norm()) > 0:
        return None
    moved, stepped = seen.moved.double(), seen.stepped.double()
    return 1 - float(moved @ stepped) / float(stepped @ stepped)


def _at_ends(weights: Tensor) -> float:
    """The lesser of the shares of the weights that are exactly the least, and exactly the greatest one."""
    low, high = weights.min(), weights.max()
    return min(float((weights == end).double().mean()) for end in (low, high)) if bool(low < high) else 0.0
