"""Fork or spawn: how the nursery, and so each trial of the local launcher, starts."""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
import traceback
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from sweeper.errors import ConfigError
from sweeper.study.launchers.job import JobRunner
from sweeper.study.launchers.nursery import serve
from sweeper.study.view.terminal import say

PROBE_S = 3.0  # a two-thread operation takes milliseconds, seconds only on a machine too busy to fork on


def start_nursery(runner: JobRunner, method: str | None, threads: int) -> tuple[Connection, int]:
    """Our end of the conversation with a new nursery, and its process id.

    ``method`` is fork, spawn, or None for fork where that is safe for trials of ``threads`` threads.
    """
    if sys.platform == "win32":
        raise ConfigError("hydra/launcher must be basic or another that runs on Windows, got local; try joblib")
    sys.stdout.flush()
    sys.stderr.flush()
    why = "hydra.launcher.start_method=spawn" if method == "spawn" else None
    if method is None:
        why = why_not_fork(threads)
    if why is None:
        return _fork(runner)
    say(f"each trial starts in a fresh interpreter, not as a fork of this one: {why}")
    return _spawn(runner)


def why_not_fork(threads: int) -> str | None:
    """What in this process a fork of it would break, or None."""
    if sys.platform != "linux":
        return f"system libraries of {sys.platform} don't survive a fork"
    others = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    if others or threading.current_thread() is not threading.main_thread():
        return f"it runs other threads ({', '.join(others)}), whose locks a fork would never release"
    torch: Any = sys.modules.get("torch")
    if _has_called_cuda() or (hasattr(torch, "cuda") and torch.cuda.is_initialized()):
        return "it has started CUDA, which does not survive a fork"
    if threads > 1 and hasattr(torch, "set_num_threads") and not _openmp_survives(torch):
        return "its OpenMP threads are in use, so that a fork of it hangs on more than one thread"
    return None


def _has_called_cuda() -> bool:
    """True if anything here has called ``cuInit``, which opens this file; torch does so to look for devices."""
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith("/dev/nvidia-uvm"):
                return True
    return False


def _openmp_survives(torch: Any) -> bool:
    """Ask by doing, as nothing tells whether OpenMP has made its threads: fork, and compute on two of them."""
    pid = _forked()
    if pid == 0:
        with suppress(BaseException):
            torch.set_num_threads(2)
            torch.ones(2**18).mul_(2.0)  # large enough to be split
        os._exit(0)
    deadline = time.monotonic() + PROBE_S
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return False


def _forked() -> int:
    with warnings.catch_warnings():  # Python 3.12 warns of any other thread: those of numpy's BLAS survive a fork
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _fork(runner: JobRunner) -> tuple[Connection, int]:
    ours, theirs = Pipe()
    pid = _forked()
    if pid == 0:
        code = 1
        try:
            ours.close()
            os.setsid()  # the terminal's Ctrl-C is for the sweeping process alone
            os.environ["OMP_NUM_THREADS"] = "1"  # one OpenMP thread, or trials with more of them hang
            often = runner.trials_per_process == 1
            serve(theirs, list(runner.preload), runner.live, runner.warm, eager=runner.eager, forks_often=often)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    theirs.close()
    return ours, pid


def _spawn(runner: JobRunner) -> tuple[Connection, int]:
    from sweeper.study.launchers.worker import command_of

    command = command_of(runner)
    ours, theirs = Pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, *command.flags, "-P", "-m", "sweeper.study.launchers.nursery"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
        setsid=True,  # the terminal's Ctrl-C is for the sweeping process alone
    )
    theirs.close()
    ours.send((command.interpreter(), pickle.dumps(command)))
    return ours, pid
