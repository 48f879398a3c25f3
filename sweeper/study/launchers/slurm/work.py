"""A SLURM job's life on its node: bring the program to Hydra's door, then run the job's trials from a nursery.

``python -m sweeper.study.launchers.slurm.work CHUNK.json``; the array's index picks the job. A job that SLURM
requeued finds in the folders which of its trials have ended, and attempts the others again under the next number.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sweeper import folder as record
from sweeper.folder import End
from sweeper.study.launchers import Exit, Job
from sweeper.study.launchers.command import Command
from sweeper.study.launchers.job import JobRunner
from sweeper.study.launchers.local import visible_gpus
from sweeper.study.launchers.local_settings import LocalSettings
from sweeper.study.launchers.slurm import ranks
from sweeper.study.launchers.slurm.chunk import Chunk, read_chunk
from sweeper.study.launchers.slurm.ranks import Follower, RankSlots, Turns
from sweeper.study.launchers.worker import DoorNotReached, enter

STOP_GRACE_S = 20.0  # for trials to end after a warning that time is up
TERMINATED_S = 3.0  # between a SIGTERM that a trial died of and one to its whole job
REQUEUED = "SLURM requeued its job: preempted, or its node was lost"


def main(argv: list[str]) -> int:
    """Run the job; 1 if a trial failed."""
    try:
        chunk = read_chunk(Path(argv[0]))
    except FileNotFoundError:
        print("this submission was given up: nothing to do", file=sys.stderr)
        return 0
    folder, command = Path(argv[0]).parent, pickle.loads(Path(chunk.command).read_bytes())
    if not chunk.gpus:  # without a request the variable is unset, and a trial would take any GPU of the node
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["SUBMITIT_FOLDER"] = str(folder)  # for submitit.JobEnvironment() in the app
    mine = chunk.jobs[int(os.environ["SLURM_ARRAY_TASK_ID"])]
    configs = {folder / chunk.configs[str(job.number)] for job in mine if str(job.number) in chunk.configs}
    if ranks.rank():
        return _enter(command, Follower(trial_settings(chunk), folder).run, folder, configs)
    jobs = [job for job in mine if not ended(job)]
    turns = Turns(folder) if ranks.world() > 1 else None
    if not jobs:
        if turns is not None:
            turns.over()
        return 0
    return _enter(command, Work(chunk, jobs, folder, turns).run, folder, configs, jobs)


def _enter(
    command: Command, then: Callable[[JobRunner], int], folder: Path, configs: Iterable[Path], jobs: Sequence[Job] = ()
) -> int:
    """To Hydra's door and through it; what keeps the program from there ends ``jobs``."""

    def door(runner: JobRunner) -> int:
        for path in configs:
            with suppress(Exception):  # then it is composed anew
                shape, composed = pickle.loads(path.read_bytes())
                runner.composer.composed[shape] = composed
        return then(runner)

    try:
        return enter(command, door)
    except DoorNotReached as error:
        for job in jobs if not record.disk_full(error.__cause__, folder) else ():
            if not ended(job):
                record.write_end(job.folder, begin(job.folder), End(record.FAIL, None, str(error)))
        print(error, file=sys.stderr)
        return 1


def trial_settings(chunk: Chunk) -> LocalSettings:
    """A job's slots: its processors and GPUs shared out."""
    at_once = chunk.trials_at_once
    cpus = int(os.environ.get("SLURM_CPUS_PER_TASK") or 0)
    cpus = cpus or int(os.environ.get("SLURM_CPUS_ON_NODE") or 1) // ranks.local_world()
    return LocalSettings(
        slots=at_once,
        threads=chunk.threads or max(1, cpus // at_once),
        gpus_per_trial=max(1, len(visible_gpus()) // at_once),
        preload=chunk.preload,
    )


def ended(job: Job) -> bool:
    """Whether the trial needs no further attempt: one of a former run of the job, or of another job, has ended it."""
    return record.counted_end(job.folder, since=job.attempt) is not None


def begin(folder: Path) -> int:
    """Claim the next attempt; what was attempted before and has no end lost its job to SLURM."""
    attempt = record.claim(folder)
    for earlier in range(attempt):
        if record.read_attempt(folder, earlier).end is None:
            record.write_end(folder, earlier, End(record.INTERRUPTED, None, REQUEUED))
    return attempt


class Work:
    """The trials of one job, at most ``trials_at_once`` at a time."""

    def __init__(self, chunk: Chunk, jobs: list[Job], folder: Path, turns: Turns | None) -> None:
        self.chunk = chunk
        self.turns = turns  # where the trials are several processes
        self.waiting = list(jobs)
        self.running: dict[int, Job] = {}
        self.folder = folder
        self.failed = False
        self._time_is_up = False

    def run(self, runner: JobRunner) -> int:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # the warning goes to every process; only this one heeds it
        slots = RankSlots(trial_settings(self.chunk), n_jobs=None)
        slots.start(runner)
        signal.signal(signal.SIGUSR2, self._warned)
        while self.waiting or self.running:
            while self.waiting and slots.free:
                self._submit(slots, self.waiting.pop(0))
            for exit_ in slots.wait(timeout_s=1.0):
                self._conclude(exit_)
            if any(ranks.hung(job) for job in self.running.values() if self.turns is not None):
                for exit_ in slots.stop(0.0):
                    self._conclude(exit_)
            if self._time_is_up:
                self._time_is_up = False
                self._requeue(slots)
        slots.close()
        if self.turns is not None:
            self.turns.over()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1 if self.failed else 0)  # what the program does after its sweep isn't a job's to do

    def _submit(self, slots: RankSlots, job: Job) -> None:
        if ended(job):  # while the program started
            return
        attempt = begin(job.folder)
        job = replace(job, attempt=attempt)
        self.running[job.number] = job
        if self.turns is not None:
            slots.told = self.turns.begin(job)
        returns = self.chunk.returns
        slots.submit(job, None if returns is None else os.path.join(returns, f"{job.number}.pickle"))

    def _conclude(self, exit_: Exit) -> None:
        job = self.running.pop(exit_.number)
        end = record.read_attempt(job.folder, job.attempt).end
        if end is None and "SIGTERM" in (exit_.reason or ""):
            time.sleep(TERMINATED_S)  # if all of the job is being ended, so are we, and SLURM knows why
        if end is None:
            state = record.LOST if exit_.lost else record.FAIL
            end = record.rank_failed(job.folder, job.attempt) or End(state, None, exit_.reason)
            record.write_end(job.folder, job.attempt, end)
        self.failed = self.failed or end.state in (record.FAIL, record.LOST)

    def _warned(self, *_: object) -> None:
        self._time_is_up = True

    def _requeue(self, slots: RankSlots) -> None:
        """Time is nearly up: stop the trials and go on in a fresh allocation, at most ``max_num_timeout`` times."""
        job_id = os.environ["SLURM_JOB_ID"]
        timeouts = self.folder / f"{job_id}.timeouts"
        so_far = timeouts.stat().st_size if timeouts.exists() else 0
        if so_far >= self.chunk.max_num_timeout:
            return
        with open(timeouts, "a") as file:
            file.write(".")
        for exit_ in slots.stop(STOP_GRACE_S):
            job = self.running.pop(exit_.number)
            if record.read_attempt(job.folder, job.attempt).end is None:
                reason = f"its time was up: requeued, {so_far + 1} of {self.chunk.max_num_timeout}"
                record.write_end(job.folder, job.attempt, End(record.INTERRUPTED, None, reason))
        print(f"time is up: requeue {so_far + 1} of {self.chunk.max_num_timeout}", file=sys.stderr, flush=True)
        subprocess.run(["scontrol", "requeue", job_id], check=True, timeout=60)
        time.sleep(600)  # SLURM ends this run of the job


if __name__ == "__main__":
    from sweeper.study.launchers.slurm import work  # by its own name: this __main__ makes way for the program's

    sys.exit(work.main(sys.argv[1:]))
