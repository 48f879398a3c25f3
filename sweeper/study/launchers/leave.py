"""The end of a trial's process: what an interpreter does at its own, for what the trial has begun."""

from __future__ import annotations

import atexit
import gc
import io
import multiprocessing
import multiprocessing.process
import multiprocessing.util
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any

NAMED_AFTER_S = 5.0  # what a process waits for at its end
CHILD_S = 600.0  # for a child that writes a checkpoint; one that serves for ever isn't let to stop the sweep


def leave(before: set[threading.Thread]) -> None:
    """End as an interpreter does, but leave what was there ``before`` alone: it is the sweep's.

    Threads and child processes are joined, exit handlers run, and files written that were left open.
    """
    opened = open_files()
    gc.freeze()
    try:
        futures: Any = sys.modules.get("concurrent.futures.thread")
        for thread in before if futures is not None else ():
            futures._threads_queues.pop(thread, None)
        for call in reversed(threading._threading_atexits):  # type: ignore[attr-defined]
            call()
        while ours := [t for t in threading.enumerate() if t not in before and not t.daemon]:
            _wait_for(ours[0], "thread")
        atexit._run_exitfuncs()
        for child in multiprocessing.active_children():
            if not child.daemon:
                _wait_for(child, "process", CHILD_S)
                child.kill()
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]  # its own handler went with the sweep's
        write_out(opened)
        sys.stdout.flush()
        sys.stderr.flush()
        for file in opened:  # a compressed one writes its end only now
            with suppress(Exception):
                file.close()
    except BaseException:
        traceback.print_exc()


def open_files() -> list[Any]:
    """Files that this process has opened; those of the sweep are frozen in it, and not listed."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), io.IOBase.__mro__[1])]  # itself is slow


def write_out(files: list[Any]) -> None:
    """Let what is written reach the disk before the trial's end is told."""
    for file in files:
        with suppress(Exception):
            file.flush()


def _wait_for(
    left: threading.Thread | multiprocessing.process.BaseProcess, what: str, at_most_s: float | None = None
) -> None:
    left.join(NAMED_AFTER_S)
    if left.is_alive():
        print(
            f"sweeper: the trial has ended, its process waits for the {what} {left.name}", file=sys.stderr, flush=True
        )
        left.join(at_most_s)
