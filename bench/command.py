"""Run one command and time it, or stop the benchmark with the end of its output."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
APPS = ROOT / "bench" / "apps"
WORK = ROOT / ".bench"
PYTHON = sys.executable
PEER_PYTHON = str(ROOT / ".venv-peers" / "bin" / "python")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TIMEOUT_S = 600


class Failed(SystemExit):
    """A benchmark can't be believed; the message says why."""


@dataclass(frozen=True)
class Ran:
    """A command that succeeded: ``cpu_s`` is its own process's, without those that it started."""

    folder: Path
    started: float
    wall_s: float
    cpu_s: float

    @property
    def output(self) -> str:
        return (self.folder / "output.log").read_text()


_RUN = WORK / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{os.getpid()}"
_numbers = itertools.count()


def fresh_folder(name: str) -> Path:
    """A new one. Nothing is deleted before the end: ext4 passes over what was deleted in the last five minutes.

    A file made after the folders of 250 trials had gone cost 0.27 ms instead of 0.04, 3 ms a trial of ours.
    """
    folder = _RUN / f"{next(_numbers):03d}-{name}"
    folder.mkdir(parents=True)
    return folder


def delete_former() -> None:
    """The folders of earlier benchmarks."""
    for folder in WORK.iterdir() if WORK.is_dir() else ():
        if folder != _RUN:
            shutil.rmtree(folder, ignore_errors=True)


def run(arguments: Sequence[str], folder: Path) -> Ran:
    """Run in ``folder``, with the output kept there; Failed if it exits with anything but 0."""
    return finish(*begin(arguments, folder))


def begin(arguments: Sequence[str], folder: Path) -> tuple[subprocess.Popen[bytes], float, Path]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "HYDRA_", "OMP_", "VIRTUAL_ENV"))}
    env["PYTHONPATH"] = str(APPS)  # a submitit job doesn't know the app's folder
    with open(folder / "output.log", "wb") as output:
        started = time.time()
        process = subprocess.Popen(
            arguments, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    return process, started, folder


def finish(process: subprocess.Popen[bytes], started: float, folder: Path) -> Ran:
    deadline = started + TIMEOUT_S
    try:  # look at the zombie: once reaped, its time is gone
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.time() > deadline:
                raise Failed(f"took more than {TIMEOUT_S} s: {process.args}")
            time.sleep(0.002)
        wall_s, cpu_s = time.time() - started, _own_cpu_s(process.pid)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.wait() != 0:
        tail = (folder / "output.log").read_text()[-3000:]
        raise Failed(f"exit code {process.returncode} from {process.args}\nin {folder}:\n{tail}")
    return Ran(folder, started, wall_s, cpu_s)


def require_runs(folder: Path, count: int, *, metric: str, steps: int) -> None:
    """Failed unless MLflow's store there has ``count`` finished runs with ``metric`` at ``steps`` steps each."""
    with sqlite3.connect(f"file:{folder / 'mlflow.db'}?mode=ro", uri=True) as store:
        (found,) = store.execute(
            "SELECT count(*) FROM (SELECT run_uuid FROM runs JOIN metrics USING (run_uuid)"
            " WHERE status = 'FINISHED' AND key = ? GROUP BY run_uuid HAVING count(*) = ?)",
            (metric, steps),
        ).fetchone()
    if found != count:
        raise Failed(f"{folder / 'mlflow.db'} must hold {count} finished runs with {metric}, it has {found}")


def _own_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
