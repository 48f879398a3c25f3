"""Averaged weights with statistics that belong to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.evaluation.observe import evaluated
from sweeper.trial.check.own_code import OwnCodeFailed, modules_of, put_back
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

STEPS = 3
NORM = nn.modules.batchnorm._BatchNorm


class AverageBuffers(Check):
    """An average over parameters() leaves out running means and variances: the average has those of the start."""

    name, rank, tip = "average_buffers", 6, 10
    hypothesis = "Batch norm's statistics of an averaged network follow those of the one that trains."
    advice = "copy the buffers at each update (zip(average.buffers(), model.buffers())), or call update_bn"
    needs = ("model_runs", "loss_runs", "step_order", "evaluation_follows")

    def measure(self, subject: Subject) -> Verdict:
        """Weights and statistics of the network that the evaluation calls, before and after three steps."""
        if subject.evaluate is None or subject.step is None:
            raise NotApplicable("no evaluation or no training step was given")
        theirs = [m for m in modules_of(subject.evaluate) if m is not subject.model and _statistics(m)]
        if not theirs or not _statistics(subject.model):
            raise NotApplicable("the evaluation has no other network with batch norm")
        called: list[nn.Module] = []
        handles = [m.register_forward_pre_hook(lambda module, _: called.append(module)) for m in theirs]
        try:
            with put_back(theirs):
                before = [_state(m) for m in (subject.model, *theirs)]
                for _ in range(STEPS):
                    subject.run_step(subject.batch)
                called.clear()
                evaluated(subject)
                moved = [_moved(m, state) for m, state in zip((subject.model, *theirs), before, strict=True)]
        except OwnCodeFailed as error:
            raise NotApplicable(f"it raised {error}") from error
        finally:
            for handle in handles:
                handle.remove()
        left = [
            type(m).__name__ for m, (weights, statistics) in zip(theirs, moved[1:], strict=True)
            if any(m is c for c in called) and weights and not statistics
        ]  # fmt: skip
        words = f"{len(left)} of {len(theirs)} networks in the evaluation have weights that follow and old statistics"
        return self.judged(not (left and moved[0][1]), words, expected="none", measured={"left": len(left)})


def _statistics(model: nn.Module) -> list[Tensor]:
    return [m.running_mean for m in model.modules() if isinstance(m, NORM) and m.running_mean is not None]


def _state(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    return [p.detach().clone() for p in model.parameters()], [t.clone() for t in _statistics(model)]


def _moved(model: nn.Module, before: tuple[list[Tensor], list[Tensor]]) -> tuple[bool, bool]:
    """Whether any weight, and any statistic, is another one."""
    weights, statistics = _state(model)
    return (
        not all(map(torch.equal, before[0], weights)),
        not all(map(torch.equal, before[1], statistics)),
    )
