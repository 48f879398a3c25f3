"""What holds after a storm: the study is the one that an undisturbed command makes, and nothing is left behind."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sweeper import folder as record
from sweeper.lines import Tail
from tests.chaos.storm import Storm, command_line
from tests.study.test_failures import study
from tests.study.tracking.conftest import contents

LEFT_S = 60  # for a job that was requeued although its trial had ended: it waits for a node, finds that and ends


def broken(storm: Storm, calm: Path) -> Iterator[str]:
    """What does not hold, a line each."""
    yield from every_trial_once(storm.study)
    yield from as_undisturbed(storm.study, calm)
    yield from results_true(storm.study)
    yield from nothing_left(storm)
    yield from store_as_synced(storm)
    yield from no_traceback(storm)


def every_trial_once(folder: Path) -> Iterator[str]:
    """One attempt at each number has settled it, as Optuna was told; all attempts had the same parameters."""
    names: dict[int, set[str]] = {}
    drawn: dict[int, set[tuple[str, ...]]] = {}
    ledger = Tail(folder / "trials.jsonl")
    for line in ledger.read():
        names.setdefault(line["number"], set()).add(line["folder"])
        drawn.setdefault(line["number"], set()).add(tuple(line["overrides"]))
    if ledger.skipped:
        yield f"{ledger.skipped} line(s) of the ledger can't be read"
    for trial in study(folder).trials:
        if len(names.get(trial.number, ())) != 1 or len(drawn[trial.number]) != 1:
            yield f"trial {trial.number} has folders {names.get(trial.number)}, overrides {drawn.get(trial.number)}"
            continue
        path = folder / next(iter(names[trial.number]))
        ends = [record.read_attempt(path, n).end for n in record.attempts(path)]
        settled = [(e.state, e.values) for e in ends if e is not None and e.state in record.SETTLED]
        if settled != [(trial.state.name, trial.values if trial.state.name == "COMPLETE" else None)]:
            yield f"trial {trial.number} is {trial.state.name} {trial.values} in Optuna, its attempts say {settled}"
        if None in ends:
            yield f"trial {trial.number} has an attempt without an end"
    folders = {path.parent for path in folder.rglob("events.*.jsonl")}
    if len(folders) != len(names):
        yield f"{len(folders)} trial folders, {len(names)} trials"
        for path in {folder / name for names_of in names.values() for name in names_of} - folders:
            yield f"nothing ran in {path}: {[record.read_end(path, n) for n in record.attempts(path)]}"


def as_undisturbed(folder: Path, calm: Path) -> Iterator[str]:
    told, expected = ({t.number: (t.state.name, t.params, t.values) for t in study(f).trials} for f in (folder, calm))
    for number in sorted(told.keys() | expected.keys()):
        if told.get(number) != expected.get(number):
            yield f"trial {number} is {told.get(number)}, undisturbed {expected.get(number)}"


def results_true(folder: Path) -> Iterator[str]:
    found: dict[str, Any] = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    states = [trial.state.name for trial in study(folder).trials]
    counted = {state: states.count(state) for state in ("COMPLETE", "PRUNED", "FAIL")}
    if found["counts"] != counted:
        yield f"optimization_results.yaml counts {found['counts']}, Optuna {counted}"


def nothing_left(storm: Storm) -> Iterator[str]:
    deadline = time.monotonic() + LEFT_S
    while (storm.jobs() or storm.processes()) and time.monotonic() < deadline:
        time.sleep(0.2)
    yield from (f"process {pid} is left: {command_line(pid)}" for pid in storm.processes())
    yield from (f"job {job} is left" for job in storm.queue())
    beside = re.compile(r"\..*\.\d+|.*\.(part|tmp|new)")
    for path in [*storm.disk.path.rglob("*"), *storm.temporary.rglob("*")]:
        if path.is_relative_to(storm.temporary) or beside.fullmatch(path.name):
            yield f"a temporary file is left: {path}"
    for path in storm.disk.path.rglob("*.lock"):
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield f"{path} is still locked"


def store_as_synced(storm: Storm) -> Iterator[str]:
    """The store that was there all the time equals one that a ``sync`` has filled at once."""
    database = storm.base / "fresh" / "mlflow.db"
    database.parent.mkdir()
    shutil.copy(storm.template, database)
    command = [sys.executable, "-m", "sweeper", "sync", str(storm.study), "--tracking-uri", f"sqlite:///{database}"]
    done = subprocess.run(command, env=storm.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"sync ends with {done.returncode}: {done.stderr}"
        return
    live, fresh = (_anonymous(contents(path)) for path in (storm.server.database, database))
    for table in fresh:
        for rows, where in ((live[table] - fresh[table], "live"), (fresh[table] - live[table], "synced")):
            for row in sorted(rows, key=str)[:5]:
                yield f"{table}: only in the {where} store ({len(rows)} such): {row}"


def _anonymous(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, Counter[str]]:
    """A store's rows, without the run ids that links in its texts have."""
    return {
        table: Counter(re.sub(r"runs/\w{32}", "runs/…", repr(row)) for row in rows) for table, rows in found.items()
    }


def no_traceback(storm: Storm) -> Iterator[str]:
    lines = storm.output.read_text(errors="replace").splitlines()
    for n, line in enumerate(lines):
        if line.startswith("Traceback"):
            after = (m for m, later in enumerate(lines[n + 1 :], start=n + 1) if not later.startswith(" "))
            shown = lines[n : next(after, len(lines)) + 1]
            if shown[-1] != "KeyboardInterrupt" or any(
                "hydra/main.py" in part for part in shown
            ):  # before: Python's own
                yield "a traceback: " + " | ".join(shown)
                return
