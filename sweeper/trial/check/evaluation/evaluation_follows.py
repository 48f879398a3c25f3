"""Evaluation of the model that trains."""

from __future__ import annotations

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.evaluation.observe import evaluated
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

SIZES = (0.1, 1.0)  # of each weight's deviation; the larger one for an accuracy of answers that are all alike
STEPS = 3


class EvaluationFollows(Check):
    """A copy that was made before training gives the same loss in each epoch."""

    name, rank, tip = "evaluation_follows", 5, 10
    hypothesis = "What the evaluation gives changes as the model trains."
    advice = "evaluate the model whose weights the optimizer has, or an average that each step updates"
    needs = ("model_runs", "loss_runs", "step_order", "weights_move")

    def measure(self, subject: Subject) -> Verdict:
        """The evaluation before and after three training steps, and with other weights."""
        if subject.evaluate is None:
            raise NotApplicable("no evaluation was given")
        if subject.step is None and subject.optimizer is None:
            raise NotApplicable("no optimizer or step was given")
        try:
            before = evaluated(subject)
            if not before:
                raise NotApplicable("the evaluation gives no number")
            for size in SIZES:
                _disturb(subject, size)
                if evaluated(subject) != before:
                    return self.passed("other weights give other numbers", expected="numbers that change")
            for _ in range(STEPS):
                subject.run_step(subject.batch)
            after = evaluated(subject)
        except OwnCodeFailed as error:
            raise NotApplicable(f"it raised {error}") from error
        words = ", ".join(f"{name or 'loss'} {value:.5g}" for name, value in after.items())
        return self.judged(
            after != before, f"the evaluation gives {words} before and after {STEPS} training steps",
            expected="numbers that change",
        )  # fmt: skip


@torch.no_grad()
def _disturb(subject: Subject, size: float) -> None:
    """Add noise to each weight."""
    for _, p in subject.trainable():
        noise = torch.randn(p.shape, generator=torch.Generator().manual_seed(0)).to(p)
        p.add_(size * float(p.std(correction=0)) * noise + size * 0.1 * noise)
