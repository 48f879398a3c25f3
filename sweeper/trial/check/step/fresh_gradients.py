"""Gradients of this batch alone."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import Seen, two_parts, two_steps
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import PASS, Verdict

OLD = 0.5  # of the previous gradient in the one that is used; 0 when cleared, 1 when not, 0.3 by chance with CutMix
SAME = 1e-3  # of its norm
LATER = 2  # calls


class FreshGradients(Check):
    """Without zero_grad, each step uses the sum of all gradients so far."""

    name, rank, tip = "fresh_gradients", 20, 7
    hypothesis = "A step uses the gradient of its batch and nothing of the batch before."
    advice = "call optimizer.zero_grad() in every step, before loss.backward()"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "step_order", "loss_sign")

    def measure(self, subject: Subject) -> Verdict:
        """Split the second step's gradient into the two batches' own, by least squares."""
        verdict = self._of(subject, *two_steps(subject))
        if verdict.state != PASS or subject.step is None:
            return verdict
        later = two_parts(subject, calls=LATER)  # of a step that clears once in several calls
        return self._of(subject, *later, calls=LATER)

    def _of(self, subject: Subject, first: Seen, second: Seen, calls: int = 0) -> Verdict:
        if first.used is None or second.used is None:
            raise NotApplicable("the optimizer that was given makes no step")
        usual = float(first.used.norm() / first.right.norm().clamp(min=1e-30)) or 1.0  # of a part, or when clipped
        both = torch.stack([first.used, usual * second.right], 1).double()
        solution = torch.linalg.lstsq(both, second.used.double()[:, None], driver="gelsd").solution[:, 0]
        old, new = (float(v) for v in solution)
        rest = float((second.used.double() - both @ solution).norm() / second.used.double().norm().clamp(min=1e-30))
        if abs(new) < OLD < old:
            raise NotApplicable("the second step's gradient is not of its own batch; see whole_batch")
        share = old / max(abs(new), 1e-12)
        words = f"the second step's gradient is {new:.2f} of its own batch's and {old:.2f} of the first's"
        holds = share < OLD or rest > 0.5 or _as_if_cleared(subject, second.used, calls)
        return self.judged(holds, words, expected="1 and 0 (less of both when clipped)", measured={"old": old})


def _as_if_cleared(subject: Subject, used: Tensor, calls: int) -> bool:
    """The second step uses the same gradient where nothing was left of the first one: a further term is in both."""
    if subject.step is None:
        return False
    cleared = two_parts(subject, calls=calls, clear=True)[1].used
    return cleared is not None and float((cleared - used).norm()) < SAME * float(used.norm())
