"""How predictions on one batch move while training."""

from __future__ import annotations

import math

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import heatmap
from sweeper.trial.verdict import Verdict

STEPS = 40
EXAMPLES = 24


class PredictionDynamics(Check):
    """A picture and a number: predictions that jump to and fro show a rate too high, or labels too noisy (tip 18)."""

    name, rank, tip = "prediction_dynamics", 50, 18
    hypothesis = "Predictions settle as training goes on; look."
    advice = "lower the learning rate"
    needs = ("learning_rate", "step_order", "model_runs", "loss_runs", "optimizer_parameters")

    def measure(self, subject: Subject) -> Verdict:
        """The first output of some examples at each of 40 steps; jitter: how much of each move is taken back."""
        if subject.optimizer is None:
            raise NotApplicable("no optimizer was given")
        batch = subject.batch.first(EXAMPLES)
        path = []
        for _ in range(STEPS):
            subject.run_step(subject.batch)
            with torch.no_grad():
                path.append(subject.outputs(batch.inputs).reshape(len(batch), -1).double().cpu())
        moves = torch.stack(path[1:]) - torch.stack(path[:-1])
        turned = (moves[1:] * moves[:-1]).sum() / moves[1:].square().sum().clamp(min=1e-30)
        jitter = max(0.0, -float(turned))
        picture = heatmap(
            torch.stack(path)[:, :, 0].T.numpy(), "First output of each example (row) at each step (column)"
        )
        if not math.isfinite(jitter):
            raise NotApplicable("predictions are no numbers")
        return self.passed(
            f"{jitter:.0%} of each move is taken back by the next", expected="a picture without stripes",
            measured={"jitter": jitter}, pictures=(picture,),
        )  # fmt: skip
