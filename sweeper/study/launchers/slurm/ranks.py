"""Several processes a trial: srun starts one a task, rank 0 leads, the others follow it from trial to trial.

What rank 0 begins and ends it says in a file of this run of the job. Each process runs the task function with torch's
variables (``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` …) set; rank 0 keeps the record, the others leave a file where
they fail.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sweeper import folder as record
from sweeper.folder import End
from sweeper.lines import Tail, append_line
from sweeper.study.launchers import Exit, Job
from sweeper.study.launchers.job import JobRunner
from sweeper.study.launchers.local import LocalSlots
from sweeper.study.launchers.local_settings import LocalSettings
from sweeper.study.launchers.slurm.chunk import as_job
from sweeper.study.launchers.trial_processes import Ended
from sweeper.trial.report import RANK
from sweeper.trial.silent import fail

GRACE_S = 10.0  # for the others to end by themselves when one has
LOOK_S = 0.2


def rank() -> int:
    """Of this process among those of its job."""
    return int(os.environ.get("SLURM_PROCID") or 0)


def world() -> int:
    """How many processes the job runs."""
    return int(os.environ.get("SLURM_NTASKS") or 1)


def local_world() -> int:
    """How many of them this node runs."""
    return max(1, world() // int(os.environ.get("SLURM_NNODES") or 1))


class RankSlots(LocalSlots):
    """A job's own local slots, whose trials know their rank."""

    told: Mapping[str, str] = {}
    clean = True  # whether the last one that ended returned

    def start(self, runner: JobRunner) -> None:
        runner.eager = False  # a job's trials wait for its nursery
        super().start(runner)

    def _as_exit(self, ended: Ended) -> Exit:
        self.clean = ended.code == 0
        return super()._as_exit(ended)

    def _environment(self, slot: int) -> dict[str, str]:
        return {**super()._environment(slot), **self.told}


class Turns:
    """The file in which rank 0 says which trial it begins, and that the last is over."""

    def __init__(self, folder: Path) -> None:
        run = f"{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_RESTART_COUNT') or 0}"
        self.path = folder / f"{run}.turns.jsonl"

    def begin(self, job: Job) -> dict[str, str]:
        """Tell the others; rank 0's own variables."""
        with socket.socket() as probe:
            probe.bind(("", 0))
            port = probe.getsockname()[1]
        address = os.environ.get("SLURM_LAUNCH_NODE_IPADDR") or socket.gethostname()
        meet = {"MASTER_ADDR": address, "MASTER_PORT": str(port)}
        self._append({"job": {**asdict(job), "folder": str(job.folder)}, "meet": meet})
        return variables(meet)

    def over(self) -> None:
        """There is no more to come."""
        self._append({"over": True})

    def _append(self, line: dict[str, Any]) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            append_line(fd, line)
        finally:
            os.close(fd)


def variables(meet: Mapping[str, str]) -> dict[str, str]:
    """torch's environment variables of this process."""
    return {
        **meet,
        RANK: str(rank()),
        "RANK": str(rank()),
        "WORLD_SIZE": str(world()),
        "LOCAL_RANK": os.environ.get("SLURM_LOCALID") or "0",
        "LOCAL_WORLD_SIZE": str(local_world()),
    }


def hung(job: Job) -> bool:
    """Whether another process of the attempt failed a while ago, and rank 0 may wait for it for ever."""
    failed = record.rank_failed(job.folder, job.attempt)
    return failed is not None and time.time() - failed.time > GRACE_S


class Follower:
    """Rank 1 and up: begins what rank 0 begins."""

    def __init__(self, settings: LocalSettings, folder: Path) -> None:
        self.slots = RankSlots(settings, n_jobs=None)
        self.turns = Tail(Turns(folder).path)
        self.running: Job | None = None

    def run(self, runner: JobRunner) -> int:
        self.slots.start(runner)
        while True:
            for turn in self.turns.read():
                self._leave()
                if "over" in turn:
                    self.slots.close()
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(0)
                self.running = as_job(turn["job"])
                self.slots.told = variables(turn["meet"])
                self.slots.submit(self.running)
            for exit_ in self.slots.wait(LOOK_S):
                self._conclude(exit_)

    def _leave(self) -> None:
        """Rank 0 is done with the trial: so is this."""
        deadline = time.monotonic() + GRACE_S
        while self.running is not None and time.monotonic() < deadline:
            for exit_ in self.slots.wait(LOOK_S):
                self._conclude(exit_)
        if self.running is not None:
            self.slots.stop(0.0)
            self.running = None

    def _conclude(self, exit_: Exit) -> None:
        job, self.running = self.running, None
        if job is not None and not self.slots.clean:
            state = record.LOST if exit_.lost else record.FAIL
            fail(job.folder, job.attempt, rank(), End(state, None, exit_.reason))
