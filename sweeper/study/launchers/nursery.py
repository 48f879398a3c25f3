"""The nursery: one single-threaded process that starts the trials' processes, watches and reaps them.

Each trial has a process of its own, or takes over the one of a trial that has ended and left no traces in it.

Forked from the sweeping process it is preloaded, and its trials are forks of it: the user's ``__main__``,
resolvers, structured configs and closures are simply there and nothing is pickled. Where that process can't be
forked, the nursery is an interpreter of its own that loads nothing of the app, and its trials become workers.

It owns its trials: when the sweeping process is gone it kills them, and as a child subreaper it inherits and
kills what they leave behind.
"""

from __future__ import annotations

import os
import pickle
import signal
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
from sweeper.study.launchers.preload import load
from sweeper.study.launchers.processes import (
    PR_SET_CHILD_SUBREAPER,
    kill_strays,
    prctl,
)
from sweeper.study.launchers.trial_processes import Life, Run, TrialProcesses
from sweeper.trial.report import RANK

AGAIN_S = 5.0  # from asking trials to stop to asking once more what they have started and still wait for


@dataclass(frozen=True)
class Stop:
    """Asks every trial to stop, and kills those still there after ``grace_s``; 0 does not ask.

    It asks with SIGINT, which raises KeyboardInterrupt. A Python handler for SIGTERM would be inherited by
    the trial's own forks and lose the SIGTERM with which pools end them (it is dropped right after a fork).
    """

    grace_s: float


def serve(
    connection: Connection,
    preload: list[str],
    live: Life,
    warm: Callable[[Run], None],
    *,
    eager: bool = True,
    forks_often: bool = True,
) -> None:
    """The nursery's life: preload, then start trials on request and report ends, until the connection closes.

    ``live`` is the life of a trial's process; ``warm`` runs here before each fork: what it caches every later one
    inherits. What an optimizer imports is imported at once if ``eager``, else when a trial was seen to have needed it.
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
    load(preload, eager=eager, forks_often=forks_often)
    processes = TrialProcesses(live, warm, connection, awake, alarm)
    again_at = kill_at = float("inf")
    while True:
        timeout = min(processes.deadline, again_at, kill_at) - time.monotonic()
        ready = wait([connection, awake, *processes.pipes], None if timeout == float("inf") else max(0.0, timeout))
        if awake in ready:
            with suppress(BlockingIOError):
                os.read(awake, 4096)
        try:
            processes.reap()
            for pipe in processes.pipes:
                if pipe in ready:
                    processes.hear(pipe)
            if connection in ready:
                match connection.recv():
                    case Run() as run:
                        processes.start(run)
                    case Stop(grace_s):
                        kill_at = time.monotonic() + grace_s
                        if grace_s:
                            processes.interrupt()
                            again_at = time.monotonic() + AGAIN_S
        except (EOFError, OSError):  # the sweeping process is gone
            break
        processes.end_overdue()
        if again_at <= time.monotonic():
            again_at = float("inf")
            processes.interrupt_again()
        if kill_at <= time.monotonic():
            kill_at = float("inf")
            processes.kill()
    processes.kill()
    kill_strays()
    os._exit(0)


def settle(run: Run, *, first: bool = True) -> None:
    """Make this process the trial's own: output, environment, limits; ``first`` of those that it will run."""
    job = run.job
    job.folder.mkdir(parents=True, exist_ok=True)
    log = output_path(job.folder, job.attempt, int(run.env.get(RANK) or 0))
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    os.environ.update(run.env)
    if first:
        with suppress(OSError):  # if memory runs out, the trial goes before the sweep
            Path("/proc/self/oom_score_adj").write_text("500")
    if run.memory_bytes is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (run.memory_bytes, run.memory_bytes))


def become_worker(interpreter: list[str], command: bytes, run: Run, pipe: Connection | None) -> NoReturn:
    """``live`` of a nursery that shares nothing with the app: go on as a worker, which reads stdin."""
    settle(run)
    if pipe is not None:
        os.set_inheritable(pipe.fileno(), True)
    with tempfile.TemporaryFile() as file:
        file.write(command + pickle.dumps((run, None if pipe is None else pipe.fileno())))
        file.seek(0)
        os.dup2(file.fileno(), 0)
        os.execv(interpreter[0], interpreter)


def take_stdin() -> int:
    """Stdin's descriptor under another number; what reads stdin from now on finds nothing."""
    taken, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return taken


def main() -> None:
    """A nursery that shares nothing with the app; stdin is its end of the connection."""
    connection = Connection(take_stdin())
    interpreter, command = connection.recv()
    serve(connection, [], partial(become_worker, interpreter, command), lambda run: None)


if __name__ == "__main__":
    from sweeper.study.launchers import nursery  # by its own name: messages are pickled under it

    nursery.main()
