"""Norms that use running statistics in evaluation."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from sweeper.trial.check.check import Check
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class BatchStatistics(Check):
    """Batch norm normalises by the batch in training and by running averages in evaluation (Ioffe & Szegedy 2015)."""

    name, rank, tip = "batch_statistics", 60, 10
    hypothesis = "In evaluation mode no layer normalises by the batch at hand."
    advice = "keep track_running_stats=True, and pass training=self.training to F.batch_norm"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Calls of batch norm in evaluation mode that use the batch's own statistics."""
        watch = _Watch()
        with torch.no_grad(), watch:
            subject.forward(subject.batch.inputs)
        return self.judged(
            watch.by_batch == 0, f"{watch.by_batch} of {watch.calls} batch norms use the batch in evaluation",
            expected="none", measured={"by_batch": watch.by_batch},
        )  # fmt: skip


class _Watch(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls = self.by_batch = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.batch_norm, torch.nn.functional.batch_norm):
            self.calls += 1
            self.by_batch += bool(args[5] if len(args) > 5 else (kwargs or {}).get("training", False))
        return func(*args, **(kwargs or {}))
