"""The relay: brings what the folders of a study say to MLflow, in a process of its own.

``python -m sweeper.study.relay FOLDER`` follows a study while it runs. On stdin the line ``finish`` says that
the study has ended; the end of stdin without it, that its orchestrator died. On stdout go JSON lines::

    {"address": …, "experiment_id": …, "parent_run_id": …}    once the store is open and the study's run made
    {"trial": 37, "run_id": …}    for each run found or made; without ``trial`` for a run outside a sweep
    {"runs": 36, "of": 40}        trials brought to their end, trials known
    {"error": …}                  once for each new trouble

There is no state of its own: how far it came stands in the store, and any trouble is met by starting over
from there. Repeating a step changes nothing, so a relay may be killed at any point.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeper.errors import ConfigError
from sweeper.study.mlflow_store import (
    Store,
    Stored,
    Target,
    find_target,
    import_lean,
    is_refusal,
    locked,
    masked,
)
from sweeper.study.record import Study, Trial, Trials, read_study, read_study_end
from sweeper.study.study_folder import RESULTS, STUDY
from sweeper.study.tracking import RUNNING, TRIAL, Run, study_run, trial_run

LOCK = "relay.lock"
POLL_S = (0.5, 2.0)  # between looks at the folders: when something came, when nothing does
RETRY_S = (0.5, 30.0)  # between tries at a store in trouble, doubling
GIVE_UP_S = 30.0
PROGRESS_S = 0.5

Say = Callable[[dict[str, Any]], None]


class Relay:
    """One connection to the store and what it was found to hold; thrown away on trouble."""

    def __init__(self, study: Study, target: Target, say: Say, refused: set[int | None]) -> None:
        self.study = study
        self.say = say
        self.refused = refused  # trials whose record MLflow will not take
        self.store = Store(target)
        self.trials = Trials(study)
        self.open: dict[int | None, Trial] = {}
        self.runs: dict[int | None, Stored] = {}
        self.parent: Stored | None = None
        self.brought = 0  # runs changed in this life
        self.last_time = study.started
        self._progress, self._progress_at = (-1, -1), 0.0
        for stored in self.store.runs(study.id):
            number_tag = stored.tags.get(TRIAL)
            if number_tag is None and not study.lone:
                self.parent = self.parent or stored
            else:
                self.runs.setdefault(None if number_tag is None else int(number_tag), stored)
        self._say_parent()
        for number in self.runs:
            self._say_run(number)

    def catch_up(self, *, live: bool) -> bool:
        """Bring everything that the folders have gained; True if there was something.

        Not ``live`` means that no more will come: what has no end by then was interrupted.
        """
        before = self.brought
        ended = None if live else read_study_end(self.study.folder)
        running = live or (ended is not None and ended["state"] == RUNNING)  # a detached study's jobs go on
        for trial in self.trials.submitted():
            self._open(trial)
        if not self.study.lone and (live or self.parent is None):
            self._bring_parent(study_run(self.study, None, self.last_time, live=True))
        for trial in list(self.open.values()):
            self._bring_trial(trial, live=running)
        if not self.study.lone and not live:
            self._bring_parent(study_run(self.study, ended, self.last_time, live=False))
        self._say_progress(now=not live)
        return self.brought > before

    def _open(self, trial: Trial) -> None:
        stored = self.runs.get(trial.number)
        if stored is not None:
            trial.relayed = stored.relayed()
            if not self.study.lone and stored.is_final(trial):
                self.last_time = max(self.last_time, (stored.end_ms or 0) / 1000)
                return
        self.open[trial.number] = trial

    def _bring_trial(self, trial: Trial, *, live: bool) -> None:
        number = trial.number
        trial.read()
        self.last_time = max(self.last_time, trial.last_time)
        run = trial_run(self.study, trial, self.parent_id, live=live)
        if run is not None and number not in self.refused:
            try:
                known = number in self.runs
                self.runs[number] = self._bring(run, self.runs.get(number), trial.folder)
                if not known:
                    self._say_run(number)
            except Exception as error:
                if not is_refusal(error):
                    raise
                self.refused.add(number)
                self.say({"error": f"MLflow refused the record of trial {number}: {one_line(error)}"})
        for seen in trial.seen.values():
            seen.fresh.clear()
        if trial.settled and not self.study.lone:
            trial.seen.clear()  # a later attempt reads it anew; ten thousand configs need not stay in memory
            del self.open[number]
        self._say_progress()

    def _bring_parent(self, run: Run) -> None:
        folder, first = self.study.folder, self.parent is None
        files = [STUDY] if first else []
        if run.status != RUNNING:
            files += [RESULTS, *sorted(f"plots/{path.name}" for path in folder.glob("plots/*.html"))]
        self.parent = self._bring(replace(run, artifacts=files), self.parent, folder)
        if first:
            self._say_parent()

    def _bring(self, run: Run, stored: Stored | None, folder: Path) -> Stored:
        if stored is not None and stored.holds(run):
            return stored
        stored = self.store.bring(run, stored, folder)
        self.brought += 1
        return stored

    @property
    def parent_id(self) -> str | None:
        """The study's own run; None for a run outside a sweep."""
        return self.parent.run_id if self.parent else None

    def _say_parent(self) -> None:
        store = self.store
        self.say(
            {"address": store.address, "experiment_id": store.experiment_id, "parent_run_id": self.parent_id}
        )

    def _say_run(self, number: int | None) -> None:
        which = {} if number is None else {"trial": number}
        self.say({**which, "run_id": self.runs[number].run_id})

    def _say_progress(self, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._progress_at < PROGRESS_S:
            return
        known = self.trials.known
        ended = sum(number in known and stored.status != RUNNING for number, stored in self.runs.items())
        if self._progress != (ended, len(known)):
            self._progress = (ended, len(known))
            self.say({"runs": ended, "of": len(known)})
        self._progress_at = time.monotonic()


class Orders:
    """The orchestrator's end of stdin."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.text = b""

    def ended(self, wait_s: float) -> bool:
        """Wait for at most ``wait_s``; True once the study has ended or its orchestrator is gone."""
        deadline = time.monotonic() + wait_s
        while select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            said = os.read(self.fd, 4096)
            self.text += said
            if not said or b"finish\n" in self.text:
                return True
        return False


def relay(connect: Callable[[], Relay | None], say: Say, orders: Orders | None, give_up_s: float) -> bool:
    """Follow a study until its orders end it, then bring the rest; without orders, only the rest.

    While it is followed, trouble is retried for ever. After that, False once the store has failed for
    ``give_up_s`` with nothing brought.
    """
    live = orders is not None
    at_work: Relay | None = None
    said, failing_since, pause_s = "", 0.0, POLL_S[0]
    while True:
        try:
            at_work = at_work or connect()
            busy = at_work is not None and at_work.catch_up(live=live)
            if not live:
                return True
            said, failing_since = "", 0.0
            pause_s = POLL_S[0] if busy else min(pause_s * 1.2, POLL_S[1])
        except ConfigError:
            raise
        except Exception as error:
            if said != one_line(error):
                say({"error": one_line(error)})
            said = one_line(error)
            if not failing_since or (at_work and at_work.brought):
                failing_since, pause_s = time.monotonic(), RETRY_S[0]
            at_work = None
            if not live and time.monotonic() - failing_since > give_up_s:
                return False
            pause_s = min(pause_s * 2, RETRY_S[1] if live else RETRY_S[1] / 10)
        if orders is None or not live:
            time.sleep(pause_s)
        elif orders.ended(pause_s):
            live, failing_since, pause_s = False, 0.0, RETRY_S[0]


def run(
    folder: Path, uri: str | None, experiment: str | None, say: Say, orders: Orders | None, give_up_s: float
) -> int:
    """Bring a study's or a run's folder to MLflow; without ``orders``, as it is now.

    The exit code: 0 all was brought, 1 MLflow refused some trials for good, 3 the store stayed away.
    """
    refused: set[int | None] = set()

    def connect() -> Relay | None:
        study = read_study(folder)
        if study is None:
            return None
        return Relay(study, find_target(study, uri, experiment, os.environ), say, refused)

    def waiting() -> None:
        print(f"another relay is at work on {folder}; waiting for it to finish", file=sys.stderr)

    with locked(folder / LOCK, waiting):
        arrived = relay(connect, say, orders, give_up_s)
    if arrived:
        return 1 if refused else 0
    command = f"python -m sweeper sync {shlex.quote(str(folder))}"
    print(
        f"MLflow can't be reached; nothing is lost, the folder has the records; later: {command}",
        file=sys.stderr,
    )
    return 3


def one_line(error: BaseException) -> str:
    """An error's message without its line ends and passwords."""
    return masked(" ".join(str(error).split()))[:500] or type(error).__name__


def _say_json(line: dict[str, Any]) -> None:
    with suppress(OSError):  # the orchestrator may be gone; the relay's work is not
        print(json.dumps(line, ensure_ascii=False), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Follow a study until stdin says ``finish`` or ends."""
    parser = argparse.ArgumentParser(prog="python -m sweeper.study.relay")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tracking-uri")
    parser.add_argument("--experiment")
    parser.add_argument("--give-up-s", type=float, default=GIVE_UP_S)
    args = parser.parse_args(argv)
    os.nice(10)  # training goes first
    import_lean(args.tracking_uri, os.environ.get("MLFLOW_TRACKING_URI"))
    for hang_up in (signal.SIGINT, signal.SIGHUP):
        signal.signal(hang_up, signal.SIG_IGN)  # they reach the orchestrator, and it tells us what they mean
    try:
        return run(args.folder, args.tracking_uri, args.experiment, _say_json, Orders(0), args.give_up_s)
    except ConfigError as error:
        _say_json({"error": one_line(error)})
        return 2


if __name__ == "__main__":
    sys.exit(main())
