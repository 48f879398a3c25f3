"""``status``: counts, running trials and jobs, the best so far, failures with reasons and log paths."""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper import folder as record
from sweeper.study.study_folder import StudyFolder
from sweeper.study.tracking.record import Study, Trial, Trials, read_results, read_study_end, require_study
from sweeper.study.view.terminal import result, say

SHOWN = 12  # rows of a kind
NO_JOB = "no job queued or running"


def add(commands: Any) -> None:
    command = commands.add_parser("status", help="how a study stands", description=run.__doc__)
    command.add_argument("folder", type=Path, help="multirun/<study>")
    command.add_argument("--watch", action="store_true", help="again every few seconds, until the study has ended")
    command.add_argument("--every-s", type=float, default=5.0)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Say how a study stands, from its folder and SLURM's queue; nothing is changed."""
    study = require_study(args.folder)
    trials = Trials(study)
    while True:
        text, over = report(study, trials)
        result(("\x1b[2J\x1b[H" if args.watch and os.isatty(1) else "") + text)
        if damage := trials.damage():
            say(damage)  # after the screen was cleared
        if over or not args.watch:
            return 0
        time.sleep(args.every_s)


@dataclass
class _Counted:
    ended: dict[str, int] = field(default_factory=lambda: {"complete": 0, "pruned": 0, "fail": 0})
    running: list[Trial] = field(default_factory=list)
    waiting: list[Trial] = field(default_factory=list)
    interrupted: int = 0
    failed: dict[str, list[tuple[Trial, int]]] = field(default_factory=dict)  # by their reason, with the attempt
    best: tuple[float, Trial] | None = None


def report(study: Study, trials: Trials) -> tuple[str, bool]:
    """The text, and whether nothing more will come without another command."""
    said = StudyFolder(study.folder).read()
    list(trials.submitted())
    jobs, alive = _jobs(said.get("jobs")), _orchestrator(study.folder)
    counted = _count(trials, maximize=said.get("directions") == ["maximize"])
    if jobs is None and not alive:  # its trials' processes died with it
        counted.interrupted += len(counted.running)
        counted.running.clear()
    total = max(_total(study.folder) + trials.repeats, len(trials.known))
    ended = sum(counted.ended.values())
    states = ", ".join(f"{n} {state}" for state, n in counted.ended.items() if n or state == "complete")
    rest = f"{len(counted.running)} running, {len(counted.waiting)} waiting"
    rest += f", {counted.interrupted} interrupted" if counted.interrupted else ""
    end = read_study_end(study.folder)
    lines = [
        f"{study.name}: {ended} of {total} trials have ended: {states}; {rest}",
        f"orchestrator  {alive or _left(end, study, ended >= total, jobs)}",
    ]
    if jobs is not None:
        lines.append(f"jobs          {jobs}")
    if counted.best is not None:
        value, trial = counted.best
        lines.append(f"best          {trial.number:04d}  {said.get('metric', 'objective')}={value:.6g}  {_row(trial)}")
    lines += [f"running       {_running(trial)}" for trial in counted.running[:SHOWN]]
    lines += [f"              … and {n - SHOWN} more" for n in [len(counted.running)] if n > SHOWN]
    for reason, failed in list(counted.failed.items())[:SHOWN]:
        trial, attempt = failed[0]
        alike = f" and {len(failed) - 1} more" if failed[1:] else ""
        log = os.path.relpath(record.output_path(trial.folder, attempt))
        lines.append(f"failed        {trial.number:04d}{alike}  {reason}  {log}")
    lines += [f"              … and {n - SHOWN} more reasons" for n in [len(counted.failed)] if n > SHOWN]
    return "\n".join(lines), not alive and (ended >= total or jobs in (None, NO_JOB))


def _count(trials: Trials, *, maximize: bool) -> _Counted:
    counted = _Counted()
    for trial in trials.known.values():
        trial.read()
        for seen in trial.seen.values():
            seen.fresh.clear()
        attempts = trial.attempts()
        final = next((a for a in attempts if a[1].end and a[1].end.state.lower() in counted.ended), None)
        if final is not None:
            number, end = final[0], final[1].end
            assert end is not None
            counted.ended[end.state.lower()] += 1
            if end.state == record.FAIL:
                counted.failed.setdefault(end.reason or "", []).append((trial, number))
            elif end.state == record.COMPLETE and end.values and len(end.values) == 1:
                value = end.values[0]
                better = counted.best is None or (value > counted.best[0] if maximize else value < counted.best[0])
                if better and not math.isnan(value):
                    counted.best = (value, trial)
        elif attempts and attempts[-1][1].end is None:
            counted.running.append(trial)
        elif attempts:
            counted.interrupted += 1
        else:
            counted.waiting.append(trial)
    return counted


def _left(end: dict[str, Any] | None, study: Study, over: bool, jobs: str | None) -> str:
    """How the last orchestrator left the study, and the command that goes on."""
    state = end["state"] if end else None
    collect = f"python -m sweeper collect {os.path.relpath(study.folder)}"
    if state == "RUNNING":
        if over or jobs != NO_JOB:
            return f"none, {'all has ended' if over else 'its jobs run on'}; to tell what has ended: {collect}"
        return f"none, its jobs have ended; to tell that and submit the rest: {collect}"
    if state in ("COMPLETE", "FAIL") and over:
        return "none, the study has ended"
    how = "none, it was stopped" if state else "none, it died"
    return f"{how}; to go on: {study.command}"


def _running(trial: Trial) -> str:
    attempt, seen = trial.attempts()[-1]
    age_s = time.time() - seen.start.get("time", time.time())
    facts = [f"{age_s:.0f} s"]
    facts += [f"step {seen.last_step}"] if seen.last_step is not None else []
    facts += [f"attempt {attempt + 1}"] if attempt else []
    facts += [f"job {seen.start['slurm_job_id']}"] if seen.start.get("slurm_job_id") else []
    return f"{trial.number:04d}  {', '.join(facts)}  {_row(trial)}"


def _row(trial: Trial) -> str:
    from sweeper.study.view.terminal import assignments

    return f"{assignments(trial.params)}  {os.path.relpath(trial.folder)}"


def _total(folder: Path) -> int:
    found = read_results(folder) or {}
    return int(found.get("total") or found.get("n_trials") or 0)


def _orchestrator(folder: Path) -> str | None:
    """Host and process of the living orchestrator; asked without taking the study's lock from anyone."""
    import fcntl

    from sweeper.study.study_folder import LOCK

    try:
        with open(folder / LOCK) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except OSError:
        return StudyFolder(folder).holder()
    return None


def _jobs(where: str | None) -> str | None:
    """What SLURM says of the study's jobs, None where it has none."""
    if where is None:
        return None
    from sweeper.study.launchers.slurm import queue
    from sweeper.study.launchers.slurm.chunk import Ledger

    try:
        answer = queue.look()
    except queue.SlurmAway as error:
        return f"unknown: {error}"
    states: dict[str, int] = {}
    for job in Ledger(Path(where)).read().values():
        status = answer.get(job.id, job.script)
        if status is not None and not status.ended:
            why = f" ({status.reason})" if status.state == "PENDING" and status.reason not in ("", "None") else ""
            state = status.state.lower() + why
            states[state] = states.get(state, 0) + 1
    return ", ".join(f"{n} {state}" for state, n in sorted(states.items())) or NO_JOB
