"""``cancel``: stop what a study has running or queued, and leave it resumable."""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path
from typing import Any

from sweeper.errors import ConfigError
from sweeper.study.view.terminal import result

WAIT_S = 20.0  # for an orchestrator to stop its trials and let go of the folder


def add(commands: Any) -> None:
    command = commands.add_parser("cancel", help="stop what runs or waits, resumably", description=run.__doc__)
    command.add_argument("folder", type=Path, help="multirun/<study>")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Cancel the study's jobs (scancel) or stop its orchestrator; the study's own command goes on from there."""
    from sweeper import folder as record
    from sweeper.folder import End
    from sweeper.study.study_folder import StudyFolder
    from sweeper.study.tracking.record import Trials, read_study_end, require_study

    study = require_study(args.folder)
    folder = StudyFolder(study.folder)
    _stop_orchestrator(folder)
    try:
        jobs = _cancel_jobs(folder.read().get("jobs"))
        marked = 0
        trials = Trials(study)
        list(trials.submitted())
        for trial in trials.known.values():
            trial.read()
            if record.counted_end(trial.folder) is not None:
                continue
            marked += 1
            for attempt in record.attempts(trial.folder):
                if record.read_attempt(trial.folder, attempt).end is None:
                    record.write_end(trial.folder, attempt, End(record.INTERRUPTED, None, "cancelled"))
        over = not jobs and not marked and (read_study_end(study.folder) or {}).get("state") in ("COMPLETE", "FAIL")
        if not over:
            folder.end(record.INTERRUPTED, "cancelled")
    finally:
        folder.release()
    if over:
        result(f"nothing to cancel, {study.name} has ended")
    else:
        result(f"{jobs} job(s) cancelled, {marked} trial(s) left to resume: {study.command}")
    return 0


def _stop_orchestrator(folder: Any) -> None:
    """Take the folder's lock, asking the process that holds it to stop as Ctrl-C would."""
    if folder.claim():
        return
    host, _, pid = folder.holder().partition(" ")
    if host != os.uname().nodename or not pid.isdigit():
        raise ConfigError(f"{folder.path} must be cancelled where its orchestrator runs, that is: {folder.holder()}")
    os.kill(int(pid), signal.SIGTERM)  # SIGINT is ignored by what a script has put in the background
    deadline = time.monotonic() + WAIT_S
    while not folder.claim():
        if time.monotonic() > deadline:
            raise ConfigError(f"the orchestrator of {folder.path} must stop in {WAIT_S:g} s, process {pid} did not")
        time.sleep(0.1)


def _cancel_jobs(where: str | None) -> int:
    if where is None:
        return 0
    from sweeper.study.launchers.slurm import queue
    from sweeper.study.launchers.slurm.chunk import Ledger

    ledger = Ledger(Path(where))
    try:
        answer = queue.look()
        for path in ledger.unresolved():
            if ledger.resolve(path, answer) is None:
                ledger.abandon(path)
        seen = ((job.id, answer.get(job.id, job.script)) for job in ledger.read().values())
        alive = [job_id for job_id, status in seen if status is not None and not status.ended]
        if alive:
            ledger.cancel(alive)
            queue.cancel(alive)
    except (queue.SlurmAway, queue.Refused) as error:
        raise ConfigError(
            f"cancel needs a SLURM controller that answers and takes scancel, got: {str(error)[:200]}; "
            "jobs may run on, try again later"
        ) from error
    return len(alive)
