"""A nursery's trial processes: forked, handed one trial after another, timed, heard and reaped."""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe

from sweeper.study.launchers import Job
from sweeper.study.launchers.preload import OPTIMIZERS_IMPORT, load_for_optimizers
from sweeper.study.launchers.processes import (
    PR_SET_PDEATHSIG,
    interrupt,
    interrupt_started_by,
    kill,
    kill_group,
    kill_strays,
    oom_kills,
    prctl,
)

GPUS = "CUDA_VISIBLE_DEVICES"
OOM_READ_S = 1.0


@dataclass(frozen=True)
class Run:
    """Asks the nursery for a process: ``env`` is set in it, ``timeout_s`` is its wall-clock limit."""

    job: Job
    env: dict[str, str]
    threads: int
    timeout_s: float | None
    memory_bytes: int | None
    return_path: str | None  # where Hydra's JobReturn is wanted, for `launch`
    trials_per_process: int = 1
    composed: tuple[tuple[str, ...], bytes] | None = None  # its config's shape, as the sweeping process composed it


@dataclass(frozen=True)
class Ended:
    """A trial's process has been reaped, or waits for another trial (code 0)."""

    number: int
    attempt: int
    code: int | None  # exit code, or None
    signal: int | None = None  # the signal that killed it, or None
    timed_out: bool = False
    oom_kills: int = 0  # kernel OOM kills on this machine while it lived
    max_rss_bytes: int = 0
    waits: bool = False  # its process, which returned or was pruned, waits for another trial


Life = Callable[[Run, Connection | None], int]
"""A trial's process, to its exit code. With a pipe it goes on to the trials that come through it: it asks for each by
sending None, which says that the one before has ended and left the process as it was."""


@dataclass
class _Process:
    pid: int
    pipe: Connection | None  # None once it won't be given another trial
    left: int  # how many more trials it may be given
    gpus: str | None  # that it sees, from its first trial on
    run: Run | None = None  # None while it waits
    deadline: float = float("inf")
    oom_before: int = 0
    timed_out: bool = False

    def begin(self, run: Run, oom_before: int) -> None:
        self.run = run
        self.left -= 1
        self.deadline = float("inf") if run.timeout_s is None else time.monotonic() + run.timeout_s
        self.oom_before = oom_before

    def part(self) -> None:
        """It ends after its trial, or at once if it waits."""
        if self.pipe is not None:
            self.pipe.close()
            self.pipe = None


class TrialProcesses:
    """Forks of this process that run trials; ``live`` is their life, ``warm`` runs here before each fork."""

    def __init__(self, live: Life, warm: Callable[[Run], None], connection: Connection, *fds: int) -> None:
        """``connection`` is told of each end; it and ``fds`` are closed in the forks."""
        self._live, self._warm = live, warm
        self._connection, self._fds = connection, fds
        self._processes: dict[int, _Process] = {}
        self._oom = -OOM_READ_S, 0  # when last looked at, on the monotonic clock, and how many
        self._needed = mmap.mmap(-1, 1)  # shared with the trials, which say in it that they had an optimizer

    @property
    def deadline(self) -> float:
        """When the next trial's time is up, on the monotonic clock."""
        return min((p.deadline for p in self._processes.values()), default=float("inf"))

    @property
    def pipes(self) -> list[Connection]:
        return [p.pipe for p in self._processes.values() if p.pipe is not None]

    def start(self, run: Run) -> None:
        """Give the trial to a process that waits, or to a new one."""
        for process in self._processes.values():
            if process.run is None and process.pipe is not None and process.gpus == run.env.get(GPUS):
                try:
                    process.pipe.send(run)
                except OSError:  # killed while it waited
                    process.part()
                    continue
                process.begin(run, self._oom_kills())
                return
        if self._needed[0] and OPTIMIZERS_IMPORT not in sys.modules:
            load_for_optimizers()
        self._warm(run)
        self._fork(run)

    def _fork(self, run: Run) -> None:
        gc.freeze()  # no collection in a trial touches, and so copies, the pages that it shares with us
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        ours, theirs = Pipe() if run.trials_per_process > 1 else (None, None)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:
                    os._exit(1)
                signal.set_wakeup_fd(-1)
                for connection in (self._connection, ours, *self.pipes):
                    if connection is not None:
                        connection.close()
                for fd in self._fds:
                    os.close(fd)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                os.setsid()
                code = self._live(run, theirs)
                self._needed[0] |= OPTIMIZERS_IMPORT in sys.modules
            finally:
                os._exit(code)
        if theirs is not None:
            theirs.close()
        self._processes[pid] = process = _Process(pid, ours, run.trials_per_process, run.env.get(GPUS))
        process.begin(run, self._oom_kills())

    def _oom_kills(self) -> int:
        """As of the last second: to ask the kernel takes longer than all else here."""
        if time.monotonic() - self._oom[0] >= OOM_READ_S:
            self._oom = time.monotonic(), oom_kills()
        return self._oom[1]

    def hear(self, pipe: Connection) -> None:
        """A process asks for another trial, or ends and will be reaped."""
        process = next((p for p in self._processes.values() if p.pipe is pipe), None)
        if process is None or process.pipe is None:
            return
        try:
            process.pipe.recv()
        except (EOFError, OSError):
            process.part()
            return
        assert process.run is not None
        kill_strays({process.pid}, spared=self._processes)
        job, process.run, process.deadline = process.run.job, None, float("inf")
        if process.left <= 0:
            process.part()
        self._connection.send(Ended(job.number, job.attempt, code=0, waits=True))

    def reap(self) -> None:
        """Report those that have died while they ran a trial."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            process = self._processes.pop(pid, None)
            if process is None:
                continue
            kill_group(pid)  # what it started and left in its group
            kill_strays({pid}, spared=self._processes)
            process.part()
            if process.run is None:  # it waited
                continue
            self._oom = time.monotonic(), oom_kills()
            self._connection.send(
                Ended(
                    number=process.run.job.number,
                    attempt=process.run.job.attempt,
                    code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                    signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                    timed_out=process.timed_out,
                    oom_kills=self._oom[1] - process.oom_before,
                    max_rss_bytes=usage.ru_maxrss * 1024,
                )
            )

    def interrupt(self) -> None:
        """Ask every running trial to stop, and what it has started, as Ctrl-C on a terminal does."""
        for process in self._processes.values():
            if process.run is not None:
                interrupt(process.pid)

    def interrupt_again(self) -> None:
        """Ask what the running trials have started once more: a process just forked may have dropped the first.

        Python runs callbacks at the start of a fork, and an exception in one, KeyboardInterrupt too, is lost.
        """
        for process in self._processes.values():
            if process.run is not None:
                interrupt_started_by(process.pid)

    def end_overdue(self) -> None:
        """Kill the trials whose time is up."""
        now = time.monotonic()
        for process in self._processes.values():
            if process.deadline <= now:
                process.timed_out, process.deadline = True, float("inf")
                kill(process.pid)

    def kill(self) -> None:
        for pid in self._processes:
            kill(pid)
