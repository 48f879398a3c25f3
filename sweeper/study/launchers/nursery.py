"""The nursery: one single-threaded process that starts a process for each trial, watches it and reaps it.

Forked from the sweeping process it is preloaded, and its trials are forks of it: the user's ``__main__``,
resolvers, structured configs and closures are simply there and nothing is pickled. Where that process can't be
forked, the nursery is an interpreter of its own that loads nothing of the app, and its trials become workers.

It owns its trials: when the sweeping process is gone it kills them, and as a child subreaper it inherits and
kills what they leave behind.
"""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NoReturn

from sweeper.folder import output_path
from sweeper.study.launchers import Job
from sweeper.study.launchers.preload import OPTIMIZERS_IMPORT, load, load_for_optimizers
from sweeper.study.launchers.processes import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    kill,
    kill_group,
    kill_strays,
    oom_kills,
    prctl,
    send,
)
from sweeper.trial.report import RANK


@dataclass(frozen=True)
class Run:
    """Asks the nursery for a process: ``env`` is set in it, ``timeout_s`` is its wall-clock limit."""

    job: Job
    env: dict[str, str]
    threads: int
    timeout_s: float | None
    memory_bytes: int | None
    return_path: str | None  # where Hydra's JobReturn is wanted, for `launch`


@dataclass(frozen=True)
class Stop:
    """Asks every trial to stop, and kills those still there after ``grace_s``; 0 does not ask.

    It asks with SIGINT, which raises KeyboardInterrupt. A Python handler for SIGTERM would be inherited by
    the trial's own forks and lose the SIGTERM with which pools end them (it is dropped right after a fork).
    """

    grace_s: float


@dataclass(frozen=True)
class Died:
    """A trial's process has been reaped."""

    number: int
    attempt: int
    code: int | None  # exit code, or None
    signal: int | None  # the signal that killed it, or None
    timed_out: bool
    oom_kills: int  # kernel OOM kills on this machine while it lived
    max_rss_bytes: int


@dataclass
class _Child:
    run: Run
    deadline: float
    oom_before: int
    timed_out: bool = False


def serve(
    connection: Connection,
    preload: list[str],
    run_job: Callable[[Run], int],
    warm: Callable[[Run], None],
    *,
    eager: bool = True,
) -> None:
    """The nursery's life: preload, then fork on request and report deaths, until the connection closes.

    ``warm`` runs here before each fork (what it caches every later trial inherits), ``run_job`` in the trial.
    What an optimizer imports is imported at once if ``eager``, else when a trial was seen to have needed it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    awake, alarm = os.pipe()
    os.set_blocking(awake, False)
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    load(preload, eager=eager)
    needed = mmap.mmap(-1, 1)  # shared with the trials, which say in it that they had an optimizer
    children: dict[int, _Child] = {}
    kill_at: float | None = None
    while True:
        limits = [c.deadline for c in children.values()] + ([kill_at] if kill_at else [])
        timeout = max(0.0, min(limits, default=float("inf")) - time.monotonic())
        ready = wait([connection, awake], None if timeout == float("inf") else timeout)
        if awake in ready:
            with suppress(BlockingIOError):
                os.read(awake, 4096)
        try:
            _reap(children, connection)
            if connection in ready:
                match connection.recv():
                    case Run() as run:
                        if needed[0] and OPTIMIZERS_IMPORT not in sys.modules:
                            load_for_optimizers()
                        _raise_child(run, run_job, warm, children, connection, (awake, alarm), needed)
                    case Stop(grace_s):
                        kill_at = time.monotonic() + grace_s
                        for pid in children if grace_s else ():
                            send(pid, signal.SIGINT)
        except (EOFError, OSError):  # the sweeping process is gone
            break
        now = time.monotonic()
        for pid, child in children.items():
            if child.deadline <= now:
                child.timed_out, child.deadline = True, float("inf")
                kill(pid)
        if kill_at is not None and kill_at <= now:
            kill_at = None
            for pid in children:
                kill(pid)
    for pid in children:
        kill(pid)
    kill_strays(set(), everything=True)
    os._exit(0)


def settle(run: Run) -> None:
    """Make this process the trial's own: output, environment, limits."""
    job = run.job
    job.folder.mkdir(parents=True, exist_ok=True)
    log = output_path(job.folder, job.attempt, int(run.env.get(RANK) or 0))
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    os.environ.update(run.env)
    with suppress(OSError):  # if memory runs out, the trial goes before the sweep
        Path("/proc/self/oom_score_adj").write_text("500")
    if run.memory_bytes is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (run.memory_bytes, run.memory_bytes))


def become_worker(interpreter: list[str], command: bytes, run: Run) -> NoReturn:
    """``run_job`` of a nursery that shares nothing with the app: go on as a worker, which reads stdin."""
    settle(run)
    with tempfile.TemporaryFile() as file:
        file.write(command + pickle.dumps(run))
        file.seek(0)
        os.dup2(file.fileno(), 0)
        os.execv(interpreter[0], interpreter)


def take_stdin() -> int:
    """Stdin's descriptor under another number; what reads stdin from now on finds nothing."""
    taken, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return taken


def _raise_child(
    run: Run,
    run_job: Callable[[Run], int],
    warm: Callable[[Run], None],
    children: dict[int, _Child],
    connection: Connection,
    pipe: tuple[int, int],
    needed: mmap.mmap,
) -> None:
    warm(run)
    gc.freeze()  # no collection in a trial touches, and so copies, the pages that it shares with us
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            signal.set_wakeup_fd(-1)
            connection.close()
            for fd in pipe:
                os.close(fd)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.setsid()
            code = run_job(run)
            needed[0] |= OPTIMIZERS_IMPORT in sys.modules
        finally:
            os._exit(code)
    now = time.monotonic()
    deadline = float("inf") if run.timeout_s is None else now + run.timeout_s
    children[pid] = _Child(run, deadline, oom_kills())


def _reap(children: dict[int, _Child], connection: Connection) -> None:
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        child = children.pop(pid, None)
        if child is None:
            continue
        kill_group(pid)  # what it started and left in its group
        kill_strays({pid}, everything=False)
        connection.send(
            Died(
                number=child.run.job.number,
                attempt=child.run.job.attempt,
                code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                timed_out=child.timed_out,
                oom_kills=oom_kills() - child.oom_before,
                max_rss_bytes=usage.ru_maxrss * 1024,
            )
        )


def main() -> None:
    """A nursery that shares nothing with the app; stdin is its end of the connection."""
    connection = Connection(take_stdin())
    interpreter, command = connection.recv()
    serve(connection, [], partial(become_worker, interpreter, command), lambda run: None)


if __name__ == "__main__":
    from sweeper.study.launchers import nursery  # by its own name: messages are pickled under it

    nursery.main()
