"""A study of ten thousand trials: what the last ones cost beside the first, and what reading it takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.command import APPS, PYTHON, TICKS_PER_S, Failed, Ran, begin, finish, fresh_folder, run
from bench.table import Row, Table, at_most, seconds

APP = (PYTHON, str(APPS / "noop.py"), "-m", "hydra/sweeper=optuna", "x=interval(0,1)", "hydra.sweep.dir=study")
OURS = (*APP, "hydra/launcher=local", "hydra.launcher.slots=2", "hydra.sweeper.tracking=null")
MORE = 50  # trials of a resumed study and of a fresh one


def measure(trials: int) -> Table:
    window = max(trials // 20, 20)
    folder = fresh_folder("scale")
    seen = list(_watched(folder, trials, window))
    reads = _reading(folder, str(trials), PYTHON, str(APPS / "plain_reads.py"), "study")
    status = _reading(folder, f"{trials} of {trials} trials have ended", PYTHON, "-m", "sweeper", "status", "study")
    resumed = run([*OURS, f"hydra.sweeper.n_trials={trials + MORE}"], folder)
    fresh = run([*OURS, f"hydra.sweeper.n_trials={MORE}"], fresh_folder("scale-fresh"))
    composed = run([PYTHON, str(APPS / "compose.py"), str(trials)], fresh_folder("scale-compose"))
    ours_s, hydra_s = map(float, composed.output.split()[-2:])
    shutil.rmtree(folder / "study")  # ten thousand folders
    first, last = seen[1].since(seen[0]), seen[-1].since(seen[-2])
    bytes_more = (seen[-1].memory_bytes - seen[1].memory_bytes) / (seen[-1].trials - seen[1].trials)
    early, late = f"trials {seen[0].trials}–{seen[1].trials}", f"trials {seen[-2].trials}–{seen[-1].trials}"
    _, wall_required, wall_holds = at_most(last.wall_s * 1000, 25, "ms")
    _, status_required, status_holds = at_most(status.wall_s, 3, "s")
    _, composed_required, composed_holds = at_most(ours_s * 1000, 2, "ms")
    mib = [s.memory_bytes / 2**20 for s in (seen[1], seen[-1])]
    rows = [
        Row(
            f"wall a trial, {late}", seconds(last.wall_s), f"{early}: {seconds(first.wall_s)}",
            f"{last.wall_s / first.wall_s:.3g} ×", wall_required, wall_holds,
        ),
        Row(
            f"orchestrator's CPU a trial, {late}", seconds(last.cpu_s), f"{early}: {seconds(first.cpu_s)}",
            *at_most(last.cpu_s / first.cpu_s, 1.3),
        ),
        Row(
            f"orchestrator's memory, {bytes_more / 1024:.1f} KiB a trial", f"{mib[1]:.0f} MiB at {seen[-1].trials}",
            f"{mib[0]:.0f} MiB at {seen[1].trials}", *at_most(mib[1] / mib[0], 1.5),
        ),
        Row(
            "`sweeper status`", seconds(status.wall_s), f"a script that reads the same files: {seconds(reads.wall_s)}",
            f"{status.wall_s / reads.wall_s:.3g} ×", status_required, status_holds,
        ),
        Row(
            f"{MORE} trials more, whole command", seconds(resumed.wall_s), f"{MORE} of a fresh study: "
            f"{seconds(fresh.wall_s)}", f"{resumed.wall_s / fresh.wall_s:.3g} ×",
        ),
        Row(
            "a config over 3 groups, CPU", seconds(ours_s), f"Hydra: {seconds(hydra_s)}",
            f"{ours_s / hydra_s:.3g} ×", composed_required, composed_holds,
        ),
    ]  # fmt: skip
    how = (
        f"One study of {trials:,} trials that do nothing, on two slots without MLflow, watched while it ran; then its "
        "folder read, and resumed. Memory is the sweeping process's resident set, which holds Optuna's record. "
        f"Configs: {trials:,} over our own options, the first of each combination left out."
    )
    return Table(f"{trials:,} trials", how, rows)


def _reading(folder: Path, expected: str, *command: str) -> Ran:
    """The faster of two runs, with what they must say."""
    ran = min((run(command, folder) for _ in range(2)), key=lambda ran: ran.wall_s)
    if expected not in ran.output:
        raise Failed(f"{command} must say {expected!r}, it said: {ran.output}")
    return ran


@dataclass(frozen=True)
class Seen:
    """The sweeping process when it had submitted so many trials."""

    trials: int
    time_s: float
    cpu_s: float
    memory_bytes: int

    def since(self, earlier: Seen) -> _Cost:
        n = self.trials - earlier.trials
        return _Cost((self.time_s - earlier.time_s) / n, (self.cpu_s - earlier.cpu_s) / n)


@dataclass(frozen=True)
class _Cost:
    wall_s: float
    cpu_s: float


def _watched(folder: Path, trials: int, window: int) -> Iterator[Seen]:
    """Run the study; looks at it after 100 trials, after ``window`` more, and so at the end."""
    at = [100, 100 + window, trials - window - 1, trials - 1]
    process, started, _ = begin([*OURS, f"hydra.sweeper.n_trials={trials}"], folder)
    submitted, offset, ledger = 0, 0, folder / "study" / "trials.jsonl"
    while at and process.poll() is None:
        if ledger.exists():
            with open(ledger, "rb") as file:
                file.seek(offset)
                gained = file.read()
            submitted, offset = submitted + gained.count(b"\n"), offset + len(gained)
        if submitted >= at[0]:
            at.pop(0)
            yield _look(process, submitted)
        time.sleep(0.002)
    finish(process, started, folder)
    if at:
        raise Failed(f"{folder / 'study'} must have come to {trials} trials, it has {submitted}")


def _look(process: subprocess.Popen[bytes], trials: int) -> Seen:
    stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    cpu_s = (int(stat[11]) + int(stat[12])) / TICKS_PER_S
    return Seen(trials, time.monotonic(), cpu_s, pages * os.sysconf("SC_PAGE_SIZE"))
