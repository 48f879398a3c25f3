"""A job in SLURM's hands, and how its trials stand by their folders."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sweeper import folder as record
from sweeper.study.launchers import Exit, Job
from sweeper.study.launchers.slurm import queue
from sweeper.study.launchers.slurm.chunk import Submitted
from sweeper.study.launchers.slurm.queue import Status
from sweeper.study.tracking.record import Trial


@dataclass
class Flying:
    """A job in SLURM's hands, and how far its trials have come."""

    submitted: Submitted
    left: dict[int, Trial] = field(default_factory=dict)
    status: Status | None = None
    over_since: float | None = None  # when SLURM first said that it had ended, or no longer knew it

    @property
    def started(self) -> bool:
        return self.status is not None and (self.status.state in queue.RUNNING or self.status.ended)


def trial_of(job: Job) -> Trial:
    return Trial(job.number, job.folder, {}, time.time(), job.attempt)


def settled(trial: Trial) -> Exit | None:
    """The trial's end, once one of its attempts from the submitted one on has a final one, or the last was lost."""
    assert trial.number is not None
    trial.read()
    for seen in trial.seen.values():
        seen.fresh.clear()
    attempts = [(number, seen) for number, seen in trial.attempts() if number >= trial.attempt]
    for number, seen in attempts:
        if seen.end is not None and seen.end.state in record.SETTLED:
            return Exit(trial.number, number)
    if attempts:
        end = attempts[-1][1].end
        if end is not None and end.state == record.LOST:
            return Exit(trial.number, attempts[-1][0], end.reason, lost=True)
    return None
