"""The graph from the loss back to every parameter."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.graph.reach import without_gradient
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class DetachedGraph(Check):
    """A parameter that changes the outputs but gets no gradient lies before a cut in the graph."""

    name, rank, tip = "detached_graph", 30, 19
    hypothesis = "Every parameter that has an effect gets a gradient."
    advice = "look for detach(), .data, .item(), .numpy(), torch.no_grad() or argmax after these parameters"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Parameters with an effect on the outputs but without a gradient."""
        cut, _ = without_gradient(subject)
        total = len(subject.trainable())
        words = f"{len(cut)} of {total} parameters have an effect but no gradient"
        return self.judged(
            not cut, words + (f" ({', '.join(cut[:4])})" if cut else ""), expected="none", measured={"cut": len(cut)}
        )
