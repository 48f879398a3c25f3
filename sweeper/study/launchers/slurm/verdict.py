"""Why a job ended without its trial's own word: from SLURM's state, its accounting and the job's log."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sweeper.study.launchers.slurm.queue import Status

_MEMORY = re.compile(r"(exceeded (?:job )?memory limit(?: \([^)]*\))?|oom[-_]kill event|Out Of Memory)", re.IGNORECASE)


def why(status: Status | None, accounted: str | None, log: str, timeout_min: float) -> tuple[str, bool]:
    """The reason as a person reads it, and whether the trial was lost, so that another attempt may help.

    ``accounted`` is sacct's state where there is one: it tells running out of memory from any other kill.
    """
    state = accounted or (status.state if status else None)
    memory = _MEMORY.search(log)
    if state == "OUT_OF_MEMORY" or memory:
        said = f": {memory[1].strip()}" if memory else ""
        return f"out of memory: SLURM killed it at its limit, hydra.launcher.mem_gb{said}", True
    node = f" on {status.node}" if status and status.node else ""
    match state:
        case "TIMEOUT":
            return f"exceeded hydra.launcher.timeout_min={timeout_min:g}", False
        case "CANCELLED":
            return f"cancelled from outside (scancel){node}", True
        case "NODE_FAIL" | "BOOT_FAIL":
            return f"lost: its node failed{node} ({state})", True
        case "PREEMPTED":
            return f"preempted{node}, and not requeued", True
        case "COMPLETED":
            return f"its job ended{node} and left it without an end", True
        case "PENDING":
            return f"SLURM could not start its job ({status.reason if status else 'PENDING'})", True
        case "FAILED":
            return f"its job {_how(status)}{node}{_last_line(log)}", True
        case None:
            return f"SLURM no longer knows its job{_last_line(log)}", True
    return f"SLURM ended its job: {state}{node}", True


def _how(status: Status | None) -> str:
    if status is None:
        return "failed"
    code = status.exit_code
    if os.WIFSIGNALED(code):
        return f"was killed by signal {os.WTERMSIG(code)}"
    code = os.WEXITSTATUS(code)
    return f"was killed by signal {code - 128}" if 128 < code <= 128 + 64 else f"exited with code {code}"


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    of_slurm = [line for line in lines if line.startswith(("srun:", "slurmstepd"))]
    last = [line for line in lines if line not in of_slurm and not line.startswith('Try "srun --help"')][-1:]
    last = last or of_slurm[:1]  # the first is the cause, such as a program that the node lacks
    return f"; its log says: {last[0][:300]}" if last else ""


def tail(path: Path, bytes_: int = 4096) -> str:
    """The end of a job's log; empty where it left none."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - bytes_))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
