"""One job of a sweep inside its own process: compose, run the task function through Hydra, exit."""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import multiprocessing.process
import multiprocessing.util
import os
import random
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig

from sweeper.configs import as_written
from sweeper.errors import words
from sweeper.folder import NO_SPACE, End, disk_full, write_end
from sweeper.study.compose import Composer, job_config
from sweeper.study.launchers import Job
from sweeper.study.launchers.blank import Blank
from sweeper.study.launchers.command import Command
from sweeper.study.launchers.config_yaml import yaml_of
from sweeper.study.launchers.leave import leave, open_files, write_out
from sweeper.study.launchers.nursery import settle
from sweeper.study.launchers.returns import hand_back
from sweeper.study.launchers.run_job import run_job
from sweeper.study.launchers.trial_processes import Run
from sweeper.study.provenance import run_arguments
from sweeper.trial.ending import DiskFull, Pruned, describe, interrupted, on_interrupt
from sweeper.trial.recorded import Recorded
from sweeper.trial.report import RANK
from sweeper.trial.silent import fail


class JobRunner:
    """Runs jobs of one sweep: ``warm`` in the nursery, ``live`` in a trial's process."""

    def __init__(self, composer: Composer, context: HydraContext, task: Recorded) -> None:
        self.composer = composer
        self.context = context
        self.task = task
        self.preload: tuple[str, ...] = ()
        self.eager = True  # whether a nursery has time for more than that before it is asked for a trial
        self.trials_per_process = 1
        self.command: Command | None = None  # the one that a worker runs
        self._warmed: set[int] = set()

    def warm(self, run: Run) -> None:
        """Compose in the nursery, so that the next trial of this shape finds it composed.

        The first time, each ``module:function`` of ``preload`` is called with the config, to read data and such.
        """
        try:
            cfg = self._config(run)
            if id(cfg) in self._warmed:
                return
            self._warmed.add(id(cfg))
            content = as_written(cfg)
            yaml_of(content.pop("hydra"), "hydra")
            yaml_of(content)
            for name in self.preload:
                module, _, function = name.partition(":")
                if function:
                    getattr(importlib.import_module(module), function)(cfg)
        except Exception as error:  # the trial meets it again, where it is recorded
            print(f"sweeper: preload: {type(error).__name__}: {words(error)}", file=sys.stderr)

    def _config(self, run: Run) -> DictConfig:
        worker = self.command is not None  # which reads the code, and so the config, as it is now
        if run.composed is not None and not worker:
            self.composer.composed.setdefault(*run.composed)
        job = run.job
        return job_config(self.composer, job.overrides, job.number, job.sweep_dir, job.resolved)

    def live(self, run: Run, pipe: Connection | None) -> int:
        """The life of a trial's process; its exit code (0 if the task function returned).

        With a ``pipe`` it goes on with the trials that come through it while each leaves the process as it was.
        """
        atexit._clear()  # what the program has registered is for the end of its sweep
        multiprocessing.process._children.clear()  # type: ignore[attr-defined]
        before = set(threading.enumerate())
        blank = None if pipe is None else Blank()
        again = False
        while True:
            code, clean = self._run(run, again=again)
            if pipe is None or blank is None or not (clean and blank.restored()):
                leave(before)
                return code
            write_out(open_files())
            _heed(signal.SIG_IGN)  # what stops trials is for those that run
            try:
                pipe.send(None)
                run = pipe.recv()
            except (EOFError, OSError):
                return code
            again = True

    def _run(self, run: Run, *, again: bool) -> tuple[int, bool]:
        """Run one trial: the exit code that it means, and whether its process may be of use to another."""
        job = run.job
        settled = False  # until then stderr is the sweep's
        try:
            _heed(on_interrupt)
            settle(run, first=not again)
            settled = True
            buffer_lines()
            _begin(run)
            if again:
                self.warm(run)
            cfg = self._config(run)
            sys.argv[1:] = run_arguments(job.overrides)  # Lightning starts a trial's further processes by them
            task = Recorded(self.task.task_function, objectives=self.task.objectives, attempt=job.attempt)
            rank = int(run.env.get(RANK) or 0)
            left = _mlflow_run()
            ret = run_job(self.context, task, cfg, job.folder, attempt=job.attempt, rank=rank)
            _end_mlflow_runs(left, ret)
            if run.return_path is not None:
                hand_back(ret, run.return_path)
            return 0, not interrupted() and (ret.status is JobStatus.COMPLETED or isinstance(ret._return_value, Pruned))
        except BaseException as error:
            if settled and not isinstance(error, KeyboardInterrupt):
                traceback.print_exc()
            if isinstance(error, DiskFull) or disk_full(error, job.folder):
                return NO_SPACE, False
            with suppress(OSError):
                put_on_record(job, error)
            return 1, False


def _heed(handler: Any) -> None:
    """Meet SIGINT so; in a thread that the app sweeps in, the main one has been told, and no other may be."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


def put_on_record(job: Job, error: BaseException, reason: str | None = None) -> None:
    """``error`` kept the attempt from its task function, which records its own: let it be the attempt's end."""
    state, described = describe(error)
    end = End(state, None, reason or described)
    if rank := int(os.environ.get(RANK) or 0):
        fail(job.folder, job.attempt, rank, end)
    else:
        write_end(job.folder, job.attempt, end)


def buffer_lines() -> None:
    """Let each line reach the log at once: a killed trial leaves its last ones."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)


def _begin(run: Run) -> None:
    """Threads and seeds of the trial's own: a fresh process has fresh seeds, a fork would repeat the nursery's."""
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(run.threads)
        torch.default_generator.seed()
        if torch.cuda.is_initialized():
            torch.cuda.seed_all()
    random.seed()
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed([random.getrandbits(32) for _ in range(4)])  # without numbers it takes 160 µs


def _mlflow_run() -> str | None:
    """The id of the run that the app has active in MLflow."""
    mlflow: Any = sys.modules.get("mlflow")
    run = mlflow.active_run() if hasattr(mlflow, "active_run") else None
    return None if run is None else str(run.info.run_id)


def _end_mlflow_runs(before: str | None, ret: JobReturn) -> None:
    """End the runs that the trial has left active: the handler by which MLflow does so went with the sweep's."""
    status = "KILLED" if isinstance(ret._return_value, Pruned) else "FAILED"
    try:
        while _mlflow_run() not in (None, before):
            sys.modules["mlflow"].end_run("FINISHED" if ret.status is JobStatus.COMPLETED else status)
    except Exception:  # its server is away
        traceback.print_exc()
