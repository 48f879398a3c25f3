"""Any Hydra launcher (basic, joblib, third-party): it takes a batch and returns when all of it is done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from sweeper.errors import words
from sweeper.study.launchers import Exit, Job


class BatchSlots:
    """Gathers ``n_jobs`` submissions and hands them over at the next ``wait``."""

    outlives = False
    queued: Mapping[int, str] = {}
    held_back = 0

    def __init__(self, launcher: Launcher, *, n_jobs: int) -> None:
        self.launcher = launcher
        self.slots = n_jobs
        self._batch: list[Job] = []

    def preflight(self, examples: Sequence[Sequence[str]]) -> None:
        pass

    def open(self, study: Path) -> dict[str, Any]:
        return {}

    def plan(self, overrides: Sequence[str], trials: int) -> str:
        return ""

    @property
    def free(self) -> int:
        return self.slots - len(self._batch)

    def submit(self, job: Job) -> None:
        self._batch.append(job)

    def adopt(self, job: Job) -> bool:
        return False

    def wait(self, timeout_s: float) -> list[Exit]:
        batch, self._batch = sorted(self._batch, key=lambda job: job.number), []
        exits: list[Exit] = []
        while batch:
            run = [batch.pop(0)]  # a launcher numbers its jobs from the first, without gaps
            while batch and batch[0].number == run[-1].number + 1:
                run.append(batch.pop(0))
            exits += self._launch(run)
        return exits

    def _launch(self, jobs: list[Job]) -> list[Exit]:
        try:
            returns = self.launcher.launch([[*j.overrides, _subdir(j)] for j in jobs], initial_job_idx=jobs[0].number)
        except Exception as error:  # the launcher itself broke, e.g. a worker was killed
            reason = f"{type(self.launcher).__name__}: {type(error).__name__}: {words(error)[:300]}"
            return [Exit(j.number, j.attempt, reason, lost=True) for j in jobs]
        return [Exit(j.number, j.attempt, _reason(r)) for j, r in zip(jobs, returns, strict=True)]

    @property
    def settled(self) -> bool:
        return True

    def cancel(self) -> None:
        pass

    def stop(self, grace_s: float) -> list[Exit]:
        return []

    def close(self) -> None:
        pass


def _subdir(job: Job) -> str:
    """The trial's folder by its name: what named it may say another one the next time."""
    name = os.path.relpath(job.folder, job.sweep_dir)
    return f"hydra.sweep.subdir={QuotedString(name, Quote.single).with_quotes()}"


def _reason(ret: JobReturn | Any) -> str | None:
    if getattr(ret, "status", None) == JobStatus.COMPLETED:
        return None
    error = getattr(ret, "_return_value", None)
    return f"{type(error).__name__}: {words(error)[:300]}"
