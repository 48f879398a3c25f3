"""Processes as the kernel knows them: asked, killed and inherited ones."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


# They outlive a process to remove its shared memory and semaphores, and end when there is nobody left to wait for.
CLEANERS = (b"resource_tracker", b"torch_shm_manager")
CLEAN_S = 30.0  # none of those that they wait for is alive by then; on a busy machine one takes seconds to start


def kill_strays(sessions: Collection[int] | None = None, *, spared: Collection[int] = ()) -> None:
    """Kill orphans that we inherited: those of ``sessions``, or at the end every one; not our own, ``spared``.

    Those that clean up after others end by themselves, at the end within ``CLEAN_S``.
    """
    for _ in range(100):  # killing one may orphan its own children onto us
        orphans = [p for p in _children() if p not in spared and (sessions is None or _session(p) in sessions)]
        doomed = [p for p in orphans if not _cleans(p)]
        if not doomed:
            break
        _end(doomed)
    if sessions is None:
        deadline = time.monotonic() + CLEAN_S
        while (left := _children()) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)
        _end(left)


def _end(pids: Collection[int]) -> None:
    for pid in pids:
        send(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _children() -> list[int]:
    with suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]
    return []


def _cleans(pid: int) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        command = file.read()
        return any(name in command for name in CLEANERS)
    return False


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def kill_group(pid: int) -> None:
    """Kill what is in the group that it leads, where its orphans can't be told from what cleans up after them."""
    if sys.platform != "linux":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def interrupt(pid: int) -> None:
    """SIGINT to the group that it leads, or to itself if it doesn't yet."""
    try:
        os.killpg(pid, signal.SIGINT)
    except (ProcessLookupError, PermissionError):
        send(pid, signal.SIGINT)


def interrupt_started_by(pid: int) -> None:
    """SIGINT to what a session's leader has started there, where the kernel lists it; not to the leader."""
    with suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != pid and _session(int(name)) == pid:
                send(int(name), signal.SIGINT)


def kill(pid: int) -> None:
    """Kill it; what it leaves is for :func:`kill_strays`."""
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
