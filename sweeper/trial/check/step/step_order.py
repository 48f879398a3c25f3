"""Backward, then step; gradients cleared before backward or after step."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.step.observe import two_steps
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

NONE = 1e-6  # of the right gradient's norm


class StepOrder(Check):
    """The optimizer must see this batch's gradient, once, when it steps."""

    name, rank, tip = "step_order", 10, 7
    hypothesis = "Each step makes one update, from the gradient of its own batch."
    advice = "write optimizer.zero_grad(); loss.backward(); optimizer.step(), in this order"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "detached_graph")

    def measure(self, subject: Subject) -> Verdict:
        """The gradients at hand when ``optimizer.step`` is called, in two steps in a row."""
        expected = "one update a step, with this batch's gradient"
        try:
            first, second = two_steps(subject)
        except OwnCodeFailed as error:
            return self.failed(f"the training step raised {error}", expected=expected)
        if first.updates == 0 and float(first.moved.norm()) == 0:
            return self.failed(
                "a training step leaves every weight as it is", expected=expected,
                advice="call optimizer.step() on the optimizer that is given, after loss.backward()",
            )  # fmt: skip
        if first.updates == 0:
            return self.failed(
                "weights move, but not by a step of the optimizer that is given", expected=expected,
                advice="make the optimizer once, before the loop: one made in each step forgets its momentum, and no "
                "schedule reaches it",
            )  # fmt: skip
        if first.used is None or second.used is None:
            return self.passed("the optimizer calls for its gradients itself", expected=expected)
        if not float(first.right.norm()) > 0:
            return self.passed("the loss has no gradient at the start; see gradient_flow", expected=expected)
        scale = float(first.right.norm())
        sizes = [float(seen.used.norm()) / scale for seen in (first, second) if seen.used is not None]
        words = f"gradients at optimizer.step are {sizes[0]:.3g} and {sizes[1]:.3g} of the first batch's"
        if sizes[0] <= NONE and sizes[1] <= NONE:
            return self.failed(
                f"{words}: they are cleared between backward and step", expected=expected, measured={"first": sizes[0]}
            )
        if sizes[0] <= NONE:
            return self.failed(
                f"{words}: step comes before backward, with the gradient of the batch before", expected=expected,
                measured={"first": sizes[0]},
            )  # fmt: skip
        return self.passed(words, expected=expected, measured={"first": sizes[0], "second": sizes[1]})
