"""One study in one MLflow store: what was found there, brought to what the folders say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from sweeper.folder import COMPLETE
from sweeper.study.study_folder import RESULTS, STUDY
from sweeper.study.tracking.mlflow_store import Store, is_refusal, one_line
from sweeper.study.tracking.page import described, description, run_link, view, view_link
from sweeper.study.tracking.record import Study, Trial, Trials, read_results, read_study_end
from sweeper.study.tracking.runs import NOTE, RUNNING, STATE, TRIAL, Metric, Run, best_so_far, study_run, trial_run
from sweeper.study.tracking.stored import Stored
from sweeper.study.tracking.target import Target

PROGRESS_S = 0.5
WHOLE, LONG = 100, 1000  # runs that go into the store in one transaction; metrics of one that goes alone
YOUNG_S = 2.0  # a trial that ends within it comes to the store once, whole, which costs a tenth

Say = Callable[[dict[str, Any]], None]


class Mirror:
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
        self.ended: dict[int | None, tuple[float | None, int]] = {}  # objective and time in ms of those that have
        self.brought = 0  # runs changed in this life
        self.last_time = study.started
        self.measured: set[str] = set()
        self._progress, self._progress_at = (-1, -1), 0.0
        for stored in self.store.runs(study.id):
            number_tag = stored.tags.get(TRIAL)
            if number_tag is None and not study.lone:
                kept = self.parent = self.parent or stored
            else:
                kept = self.runs.setdefault(None if number_tag is None else int(number_tag), stored)
                self.measured |= stored.metrics
            if kept is not stored:  # made by a request whose answer was lost, and so made again
                self.store.delete(stored)
        self._say_parent()
        for number in self.runs:
            self._say_run(number)
        for trial in self.trials.known.values():
            self._open(trial)

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
            self._bring_parent(study_run(self.study, None, self.last_time, self._best(), live=True), None)
        self._bring_trials(live=running)
        if self.parent is not None and self.brought > before:
            self._set_view(self.parent.run_id)
        if not self.study.lone and not live:
            results = read_results(self.study.folder)
            run = study_run(self.study, ended, self.last_time, self._best(), live=False)
            self._bring_parent(run, results)
        self._say_progress(now=not live)
        if not live and (damage := self.trials.damage()):
            self.say({"error": damage})
        return self.brought > before

    def _open(self, trial: Trial) -> None:
        stored = self.runs.get(trial.number)
        if stored is not None:
            trial.relayed = stored.relayed()
            if not self.study.lone and stored.is_final(trial):
                self.last_time = max(self.last_time, (stored.end_ms or 0) / 1000)
                value = stored.objective if stored.tags[STATE] == COMPLETE else None
                self.ended[trial.number] = (value, stored.end_ms or 0)
                return
        self.open[trial.number] = trial

    def _bring_trials(self, *, live: bool) -> None:
        whole: list[tuple[Trial, Run]] = []
        for trial in list(self.open.values()):
            number, run = trial.number, None
            with self._refusal(number):
                trial.read()
                run = trial_run(self.study, trial, self.parent_id, live=live)
            if run is None or number in self.refused:
                self._taken(trial)
            elif number in self.runs:
                self._bring_trial(trial, run)
            elif run.status != RUNNING:
                whole.append((trial, run))
                if len(whole) == WHOLE or len(run.metrics) > LONG:
                    self._bring_whole(whole)
            elif not live or abs(time.time() - run.start_ms / 1000) >= YOUNG_S:
                self._bring_trial(trial, run)
        self._bring_whole(whole)

    def _bring_whole(self, whole: list[tuple[Trial, Run]]) -> None:
        """Those that ended before the store had heard of them, together."""
        with self.store.bring_new([(run, trial.folder) for trial, run in whole]) as brought:
            for (trial, run), stored in zip(whole, brought, strict=True):
                self._bring_trial(trial, run, stored)
        whole.clear()

    def _bring_trial(self, trial: Trial, run: Run, brought: Callable[[], Stored] | None = None) -> None:
        number = trial.number
        known = number in self.runs
        with self._refusal(number):
            if brought is None:
                self.runs[number] = self._bring(run, self.runs.get(number), trial.folder)
            else:
                self.runs[number] = brought()
                self.brought += 1
            self.measured |= {metric.key for metric in run.metrics}
            if not known:
                self._say_run(number)
        self._taken(trial)

    @contextmanager
    def _refusal(self, number: int | None) -> Iterator[None]:
        """What MLflow will not take of a trial is said, once, and the others go on."""
        try:
            yield
        except Exception as error:
            if not is_refusal(error):
                raise
            self.refused.add(number)
            which = "this run" if number is None else f"trial {number}"
            self.say({"error": f"the record of {which} can't be tracked: {one_line(error)}"})

    def _taken(self, trial: Trial) -> None:
        number = trial.number
        self.last_time = max(self.last_time, trial.last_time)
        for seen in trial.seen.values():
            seen.fresh.clear()
        if trial.settled and not self.study.lone:
            self.ended[number] = trial.outcome()
            trial.seen.clear()  # a later attempt reads it anew; ten thousand configs need not stay in memory
            del self.open[number]
        self._say_progress()

    def _best(self) -> list[Metric]:
        if len(self.study.directions) > 1:
            return []
        ended = takewhile(self.ended.__contains__, self.trials.known)
        minimize = self.study.directions[0] == "minimize"
        return best_so_far(((n, *self.ended[n]) for n in ended if n is not None), minimize=minimize)

    def _set_view(self, parent: str) -> None:
        searched = dict.fromkeys(key for trial in self.trials.known.values() for key in trial.params)
        self.store.set_view(self.study.id, view(self.study, parent, searched, self.measured))

    def _bring_parent(self, run: Run, results: dict[str, Any] | None) -> None:
        folder, first = self.study.folder, self.parent is None
        files = [STUDY] if first else []
        if run.status != RUNNING:
            files += [RESULTS, *sorted(f"plots/{path.name}" for path in folder.glob("plots/*.html"))]
        tags = run.tags
        if first or run.status != RUNNING:
            tags = {**tags, NOTE: self._describe(results, [path for path in files if path.startswith("plots/")])}
        self.parent = self._bring(replace(run, artifacts=files, tags=tags), self.parent, folder)
        if first:
            self._say_parent()

    def _describe(self, results: dict[str, Any] | None, plots: list[str]) -> str:
        experiment_id = self.store.experiment_id
        runs = {number: stored.run_id for number, stored in self.runs.items()}
        artifacts = run_link(experiment_id, self.parent_id or "") + "/artifacts/"
        ours = description(self.study, experiment_id, runs, results, [artifacts + path for path in plots])
        return described(ours, self.parent.tags.get(NOTE, "") if self.parent else "")

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

    @property
    def link(self) -> str:
        """The part of the page's address behind the server's."""
        experiment_id = self.store.experiment_id
        return f"/#/experiments/{experiment_id}" if self.study.lone else view_link(self.study, experiment_id)

    def _say_parent(self) -> None:
        store = self.store
        where = {"address": store.address(self.link), "page": store.page(self.link)}
        self.say({**where, "experiment_id": store.experiment_id, "parent_run_id": self.parent_id})

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
