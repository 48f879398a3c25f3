"""Training steps in training mode."""

from __future__ import annotations

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.own_code import OwnCodeFailed
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class TrainMode(Check):
    """In evaluation mode dropout does nothing and batch norm keeps the statistics that it started with."""

    name, rank, tip = "train_mode", 5, 33
    hypothesis = "The model is in training mode in a training step."
    advice = "call model.train() before the training steps of each epoch"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """The model's mode at each forward pass of one step of yours."""
        if subject.step is None:
            raise NotApplicable("no training step was given")
        if not subject.modal:
            raise NotApplicable("no layer differs between the modes")
        modes: list[bool] = []
        handle = subject.model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
        subject.model.train()
        try:
            subject.run_step(subject.batch)
        except OwnCodeFailed as error:
            raise NotApplicable(f"the step raised {error}") from error
        finally:
            handle.remove()
        if not modes:
            raise NotApplicable("the step does not call this model")
        return self.judged(
            any(modes), f"{sum(modes)} of {len(modes)} forward passes of a step are in training mode", expected="all",
            measured={"training": sum(modes)},
        )  # fmt: skip
