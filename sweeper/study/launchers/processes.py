"""Processes as the kernel knows them: asked, killed and inherited ones."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection
from contextlib import suppress

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def kill_strays(sessions: Collection[int] | None = None, *, spared: Collection[int] = ()) -> None:
    """Kill orphans that we inherited: those of ``sessions``, or at the end every one; not our own, ``spared``."""
    for _ in range(100):  # killing one may orphan its own children onto us
        strays = []
        with suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
            strays = [int(p) for p in file.read().split()]
        doomed = [p for p in strays if p not in spared and (sessions is None or _session(p) in sessions)]
        if not doomed:
            return
        for pid in doomed:
            send(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def kill_group(pid: int) -> None:
    """Kill what is in the group that it leads, if it still does."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def kill(pid: int) -> None:
    """Kill it and its group."""
    kill_group(pid)
    send(pid, signal.SIGKILL)  # it may not lead its group yet


def send(pid: int, number: int) -> None:
    """A signal, to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def oom_kills() -> int:
    """Kernel OOM kills on this machine since boot; 0 where it does not say."""
    with suppress(OSError), open("/proc/vmstat") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def prctl(option: int, value: int) -> None:
    """Linux's `prctl(2)`; elsewhere nothing."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
