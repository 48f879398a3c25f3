"""Training while MLflow's server is away for the middle of a sweep, beside the same with it there all the time."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from statistics import median

from bench.command import PYTHON, ROOT, Failed, begin, finish, fresh_folder
from bench.table import Row, Table, at_most, seconds
from sweeper.folder import read_attempt
from sweeper.study.study_folder import LEDGER
from tests.mlflow_server import Server, empty_store

AWAY = (0.2, 0.8)  # of the trials are begun when the server is killed, and when it is back


def measure(trials: int, repeats: int) -> Table:
    """Seconds from the first trial's start to the last one's end, in turns."""
    spans: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(repeats):
        for there in (True, False):
            spans[there].append(_span(trials, there=there))
    up_s, away_s = median(spans[True]), median(spans[False])
    how = (
        f"{trials} digits perceptrons on two slots with a real `mlflow server`; in the second case it is killed with "
        f"SIGKILL while {AWAY[0]:.0%} to {AWAY[1]:.0%} of the trials begin. From the first trial's start to the last "
        f"one's end; medians of {repeats}, in turns."
    )
    row = Row(
        f"{trials} trainings, the server killed", seconds(away_s), f"the server there: {seconds(up_s)}",
        *at_most(away_s / up_s, 1.1),
    )  # fmt: skip
    return Table("MLflow's server away", how, [row])


def _span(trials: int, *, there: bool) -> float:
    folder = fresh_folder("outage")
    server = Server(folder, _template(folder))
    _start(server)
    try:
        command = [PYTHON, str(ROOT / "train.py"), "-m", "hydra.launcher.slots=2", "hydra.sweep.dir=study"]
        tracked = [f"hydra.sweeper.n_trials={trials}", f'hydra.sweeper.tracking={{uri:"{server.uri}"}}']
        process, started, _ = begin([*command, *tracked], folder)
        if not there:
            _until_begun(folder, AWAY[0] * trials, process)
            server.kill()
            _until_begun(folder, AWAY[1] * trials, process)
            _start(server)
        finish(process, started, folder)
    finally:
        server.kill()
    seen = [read_attempt(path.parent, 0) for path in folder.glob("study/*/events.0.jsonl")]
    ends = [attempt.end.time for attempt in seen if attempt.end is not None]
    if len(ends) != trials:
        raise Failed(f"{folder / 'study'} must have {trials} trials that ended, it has {len(ends)}")
    return max(ends) - min(attempt.start["time"] for attempt in seen)


def _start(server: Server) -> None:
    """Behind all else: it would be on another machine."""

    def start() -> None:
        os.nice(19)  # of this thread alone, and of what it starts
        server.start()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()


def _template(folder: Path) -> Path:
    """An empty MLflow database, made once."""
    kept = folder.parent / "outage.db"
    if not kept.exists():
        new = kept.with_suffix(".new")
        new.unlink(missing_ok=True)  # half of one, from a benchmark that was stopped
        empty_store(new).rename(kept)
    return kept


def _until_begun(folder: Path, trials: float, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        ledger = folder / "study" / LEDGER
        if ledger.exists() and ledger.read_bytes().count(b"\n") >= trials:
            return
        time.sleep(0.02)
