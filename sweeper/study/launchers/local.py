"""The local launcher's side in the sweeping process: slots, threads, and the conversation with the nursery."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from sweeper.errors import ConfigError
from sweeper.folder import NO_SPACE, read_attempt
from sweeper.study.launchers import Exit, Job, Slots
from sweeper.study.launchers.job import JobRunner
from sweeper.study.launchers.local_settings import LocalSettings
from sweeper.study.launchers.nursery import Stop
from sweeper.study.launchers.returns import taken
from sweeper.study.launchers.start_method import start_nursery
from sweeper.study.launchers.trial_processes import GPUS, Ended, Run

log = logging.getLogger(__name__)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The GPUs that trials may use, found without starting CUDA."""
    listed = os.environ.get(GPUS)
    if listed is not None:
        return [d for d in listed.split(",") if d.strip() and d.strip() != "-1"]
    try:
        return [str(i) for i in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    except OSError:
        return []


class Launching(Slots, Protocol):
    """Slots that hand back Hydra's JobReturn in a file."""

    def submit(self, job: Job, return_path: str | None = None) -> None: ...


class LocalSlots:
    """Trials as processes on this machine, one a slot."""

    outlives = False
    ahead = 0
    """How many more jobs than slots to take, which then begin as soon as a slot is free."""

    def __init__(self, settings: LocalSettings, *, n_jobs: int | None) -> None:
        self.settings = settings
        gpus = visible_gpus()
        if settings.gpus is not None and settings.gpus > len(gpus):
            raise ConfigError(
                f"hydra.launcher.gpus must be at most the {len(gpus)} GPU(s) visible here, got {settings.gpus}; "
                "try hydra.launcher.gpus=null"
            )
        gpus = gpus[: settings.gpus]
        self._gpus = gpus
        found = len(gpus) // settings.gpus_per_trial * settings.trials_per_gpu or max(
            1, cores() // (settings.threads or 1)
        )
        self.slots = n_jobs or settings.slots or found
        self.threads = settings.threads or max(1, cores() // self.slots)
        self.trials_per_process = settings.trials_per_process if settings.mem_gb is None else 1
        self._free_slots = list(range(self.slots))
        self._running: dict[tuple[int, int], int] = {}  # (number, attempt) → slot
        self._waiting: deque[tuple[Job, str | None]] = deque()
        self._connection: Connection | None = None
        self._nursery: int | None = None
        self._runner: JobRunner | None = None
        self._exits: list[Exit] = []
        self._used = False

    def start(self, runner: JobRunner) -> None:
        """Start the nursery, before this process starts a thread of its own. It preloads while we go on."""
        self._runner = runner
        runner.preload, runner.trials_per_process = self.settings.preload, self.trials_per_process
        self._connection, self._nursery = start_nursery(runner, self.settings.start_method, self.threads)

    def preflight(self, examples: Sequence[Sequence[str]]) -> None:
        pass

    def open(self, study: Path) -> dict[str, Any]:
        return {}

    def plan(self, overrides: Sequence[str], trials: int) -> str:
        return ""

    @property
    def free(self) -> int:
        return len(self._free_slots) + self.ahead - len(self._waiting)

    @property
    def queued(self) -> Mapping[int, str]:
        return {job.number: "" for job, _ in self._waiting}

    @property
    def held_back(self) -> int:
        return len(self._waiting)

    def submit(self, job: Job, return_path: str | None = None) -> None:
        self._waiting.append((job, return_path))
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        while self._waiting and self._free_slots:
            self._begin(*self._waiting.popleft())

    def _begin(self, job: Job, return_path: str | None) -> None:
        assert self._connection is not None and self._runner is not None, "start() comes before submit()"
        self._used = True
        shape = self._runner.composer.shape(job.overrides)
        composed = self._runner.composer.composed.get(shape)
        slot = self._free_slots.pop(0)
        self._running[job.number, job.attempt] = slot
        s = self.settings
        run = Run(
            job=job,
            env={**self._environment(slot), **s.told(job)},
            threads=self.threads,
            timeout_s=None if s.timeout_min is None else s.timeout_min * 60,
            memory_bytes=None if s.mem_gb is None else int(s.mem_gb * 2**30),
            return_path=return_path,
            trials_per_process=self.trials_per_process,
            composed=None if composed is None else (shape, composed),
        )
        try:
            self._connection.send(run)
        except OSError:
            self._lose_nursery()

    def adopt(self, job: Job) -> bool:
        return False

    def _environment(self, slot: int) -> dict[str, str]:
        env = {"OMP_NUM_THREADS": str(self.threads)}
        if self._gpus:
            size = min(self.settings.gpus_per_trial, len(self._gpus))
            first = slot % (len(self._gpus) // size) * size
            env[GPUS] = ",".join(self._gpus[first : first + size])
        return env

    def wait(self, timeout_s: float) -> list[Exit]:
        assert self._connection is not None
        self._begin_waiting()
        if not self._exits and wait([self._connection], timeout_s):
            try:
                while self._connection.poll():
                    self._exits.append(self._as_exit(self._connection.recv()))
            except (EOFError, OSError):
                self._lose_nursery()
        exits, self._exits = self._exits, []
        return exits

    def _as_exit(self, ended: Ended) -> Exit:
        self._free_slots.append(self._running.pop((ended.number, ended.attempt)))
        self._free_slots.sort()
        if ended.waits:  # of any other end the loop hears first, as the sweep may have to stop
            self._begin_waiting()
        reason, lost = None, False
        if ended.timed_out:
            reason = f"exceeded hydra.launcher.timeout_min={self.settings.timeout_min:g}"
        elif ended.signal is not None:
            reason, lost = f"killed by signal {ended.signal} ({signal.Signals(ended.signal).name})", True
            if ended.signal == signal.SIGKILL and ended.oom_kills > 0:
                reason += f", out of memory: the kernel killed processes (peak {ended.max_rss_bytes / 2**30:.1f} GiB)"
        elif ended.code == NO_SPACE:
            reason, lost = "no space was left on its disk, its log says where", True
        elif ended.code:
            reason = f"exited with code {ended.code}"
        else:
            reason = "exited with code 0 before its task function had returned"
        return Exit(ended.number, ended.attempt, reason, lost)

    def _lose_nursery(self) -> None:
        """The nursery died: its trials died with it. Report them lost and raise a new one."""
        assert self._connection is not None and self._runner is not None
        self._connection.close()
        if self._nursery is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._nursery, 0)
        lost = "lost: the process that watches local trials was killed"
        self._exits += [Exit(number, attempt, lost, lost=True) for number, attempt in self._running]
        self._free_slots = list(range(self.slots))
        self._running.clear()
        self.start(self._runner)

    @property
    def settled(self) -> bool:
        return True

    def cancel(self) -> None:
        pass

    def stop(self, grace_s: float) -> list[Exit]:
        assert self._connection is not None
        exits: list[Exit] = []
        self._waiting.clear()
        if self._running:
            try:
                self._connection.send(Stop(grace_s))
            except OSError:
                return exits
            deadline = time.monotonic() + grace_s + 5
            while self._running and time.monotonic() < deadline:
                exits += self.wait(deadline - time.monotonic())
        return exits

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()  # the nursery kills what is left and exits
            self._connection = None
        if self._nursery is not None:
            if not self._used:  # it may be in the middle of a long import, and has nothing to clean up
                os.kill(self._nursery, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._nursery, 0)
            self._nursery = None


def launch(slots: Launching, jobs: list[Job], returns: Path) -> list[Any]:
    """Run ``jobs`` and collect Hydra's JobReturn of each in order, for sweepers that call ``launch``."""
    waiting, reasons = list(jobs), {}
    running, by_number = 0, {job.number: job for job in jobs}
    at_once = min(len(jobs), slots.free)
    log.info("Launching %d jobs, %d at a time; what they print is in their folders", len(jobs), at_once)
    while waiting or running:
        while waiting and slots.free:
            job = waiting.pop(0)
            slots.submit(job, str(returns / f"{job.number}.pickle"))
            running += 1
        for exit_ in slots.wait(timeout_s=3600):
            running -= 1
            reasons[exit_.number] = exit_.reason
            job = by_number[exit_.number]
            log.info("\t#%d : %s : %s", job.number, " ".join(job.overrides), _said(job, exit_))
    return [taken(job, returns / f"{job.number}.pickle", reasons.get(job.number)) for job in jobs]


def _said(job: Job, exit_: Exit) -> str:
    """How a job ended, in a few words."""
    end = read_attempt(job.folder, job.attempt).end
    if end is None:
        return exit_.reason or "ended"
    values = " ".join(f"{v:.4g}" for v in end.values or ())
    return " ".join(word for word in (end.state, values, end.reason) if word)
