"""Ask the study for a trial: its number, its point in the space, and the overrides that make it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeper.configs import before_its_job
from sweeper.errors import ConfigError, nearest
from sweeper.masked import masked
from sweeper.study.search.parameter import Parameter, Point, Value, choice_text
from sweeper.study.search.samplers import PlannedSampler
from sweeper.study.search.space import SearchSpace
from sweeper.study.search.suggest import suggest, suggest_more, try_suggested
from sweeper.study.settings import Settings
from sweeper.study.study_folder import Submission
from sweeper.study.view.terminal import say

_OWNER = "sweeper.owner"
FOLDER, OVERRIDES = "sweeper.folder", "sweeper.overrides"  # for the other orchestrators of a shared storage
FIXED = "fixed_params"  # Optuna's, of trials that somebody has enqueued
RECALLED = "sweeper.recalled"  # of those that we have enqueued, to put a lost trial back
RETRIES = "sweeper.retries"  # the number of the failed trial that this one repeats


class Misfit(Exception):
    """Somebody has enqueued trial ``number``, which the space can't hold; it has been told as failed."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


@dataclass(frozen=True)
class Asked:
    """One trial to run: what was drawn and the whole override list."""

    number: int
    params: Point
    overrides: list[str]


class Asker:
    """Draws trials. In a study folder of our own the numbers are ours; in a shared storage ``study.ask`` gives them."""

    def __init__(self, study: Study, space: SearchSpace, settings: Settings, config: DictConfig) -> None:
        self.study = study
        self.space = space
        self.settings = settings
        self.config = config
        self._planned = study.sampler if isinstance(study.sampler, PlannedSampler) else None
        self._shared = settings.storage is not None
        trials = study.get_trials(deepcopy=False)
        self.repeats: dict[int, int] = {}  # of failed trials, by those that repeat them
        self._take_stock(trials)
        self._extend = settings.custom_search_space
        self._seed = _seed(space)
        if settings.repeats > 1 and self._seed is None:
            say("hydra.sweeper.repeats runs each point alike: the app has no whole number under seed, or searches it")

    @property
    def count(self) -> int:
        """How many trials the study has drawn, whatever their state; repeats of failed ones are not drawn."""
        if self._shared:
            self._take_stock(self.study.get_trials(deepcopy=False))
        return self._count - len(self.repeats)

    def _take_stock(self, trials: Sequence[FrozenTrial]) -> None:
        self._waiting = sum(t.state == TrialState.WAITING for t in trials)  # enqueued: asking hands these out first
        self._count = len(trials) - self._waiting
        self.repeats |= {t.number: int(t.user_attrs[RETRIES]) for t in trials if RETRIES in t.user_attrs}
        self._enqueued = {t.number for t in trials if _is_enqueued(t) and t.state != TrialState.WAITING}

    @property
    def drawn(self) -> int:
        """How many points of the space."""
        return self.count - len(self._enqueued)

    def _point(self, number: int) -> Point | None:
        """The planned point of a trial: neither repeats nor enqueued ones take one from the plan."""
        assert self._planned is not None
        return self._planned.plan.point(number - sum(n < number for n in (*self.repeats, *self._enqueued)))

    def repeat_failures(self, submitted: Mapping[int, Submission]) -> int:
        """A new trial for each failed one that no later one repeats, with its parameters; how many."""
        trials = self.study.get_trials(deepcopy=False)
        repeated = set(self.repeats.values())
        failed = [
            t
            for t in trials
            if t.state == TrialState.FAIL
            and t.number not in repeated
            and (t.number in submitted or OVERRIDES in t.user_attrs)  # else it never ran, or not by us
        ]
        for trial in failed:
            self._add_repeat(trial)
        self._take_stock(self.study.get_trials(deepcopy=False))
        return len(failed)

    def _add_repeat(self, trial: FrozenTrial) -> None:
        self.study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={RETRIES: trial.number, **({_OWNER: _me()} if self._shared else {})},
            )
        )

    def ask(self) -> Asked | None:
        """The next trial, RUNNING in Optuna's record; None when the space is exhausted, Misfit if it can't be run."""
        if self._planned is None:
            return self._by_asking()
        drawn = self.drawn
        if self._waiting:
            return self._by_asking()
        point = self._planned.plan.point(drawn)
        if point is None:
            return None
        if self._shared or self._extend is not None:
            return self._by_asking()
        self._add(point)
        return self._asked(self._count - 1, point)

    def _add(self, point: Point) -> None:
        active = self.space.active(point)
        names = {self.space.name(active[k], point): (active[k].distribution, v) for k, v in point.items()}
        self.study.add_trial(  # one record instead of one a parameter, and no half-asked trial after a kill
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params={name: value for name, (_, value) in names.items()},
                distributions={name: distribution for name, (distribution, _) in names.items()},
            )
        )
        self._count += 1

    def recall(self, submitted: Mapping[int, Submission]) -> None:
        """Put the trials that were handed out, but that Optuna's record has lost, back into it, as RUNNING."""
        if self._shared:
            return
        for number in range(self._count, max(submitted, default=-1) + 1):
            line = submitted.get(number)
            if line is not None and line.repeats is not None:
                self._add_repeat(self.study.get_trials(deepcopy=False)[line.repeats])
                self._take_stock(self.study.get_trials(deepcopy=False))
            elif self._planned is not None and self._extend is None:
                point = self._point(number)
                if point is None:
                    return
                self._add(point)
            else:
                waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))  # by one that died here
                if line is not None and not waiting:
                    self.study.enqueue_trial(self._named(line.params), user_attrs={RECALLED: True})
                self._by_asking()

    def _named(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A ledger's parameters by their names in Optuna's record."""
        names = dict(params)
        drawn: Point = {}

        def pick(p: Parameter) -> Value:
            drawn[p.key] = value = names.pop(p.key, p.at(0.0))
            named[self.space.name(p, drawn)] = value
            return value  # type: ignore[no-any-return]

        named: dict[str, Any] = {}
        self.space.walk(pick)
        return {**named, **names}

    def _repeat(self, number: int, submitted: Mapping[int, Submission]) -> Asked:
        """The parameters and overrides of the trial that this one repeats, as they were submitted."""
        first = number
        while first in self.repeats:
            first = self.repeats[first]
        given = {masked(text): text for text in self.space.fixed}  # the ledger has them without passwords
        told, trial = submitted.get(first), self.study.get_trials(deepcopy=False)[first]
        if told is None:  # by another orchestrator
            overrides, params = trial.user_attrs[OVERRIDES], trial.params
        else:
            overrides, params = told.overrides, told.params
        return Asked(number, dict(params), [given.get(text, text) for text in overrides])

    def again(self, number: int, submitted: Mapping[int, Submission]) -> Asked:
        """A trial that is RUNNING in the record: the same parameters again, drawing those it never got."""
        if number in self.repeats:
            return self._repeat(number, submitted)
        if self._planned is not None and self._extend is None:
            point = self._point(number)
            assert point is not None, f"trial {number} lies beyond an exhausted space"
            return self._asked(number, point)
        return self._suggest(self.optuna_trial(number))

    def _by_asking(self) -> Asked:
        trial = self._begin()
        self._count = trial.number + 1
        asked_for = trial._cached_frozen_trial
        if not _is_enqueued(asked_for):
            return self._suggest(trial)
        self._waiting, self._enqueued = max(0, self._waiting - 1), {*self._enqueued, trial.number}
        try:
            asked = self._suggest(trial)
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            reason = f"enqueued with a value outside the space: {error}"
            self.note_failure(trial.number, reason)
            self.study.tell(trial.number, state=TrialState.FAIL)
            raise Misfit(trial.number, reason) from error
        for name in asked_for.system_attrs[FIXED].keys() - trial.params.keys():
            say(f"trial {trial.number:04d} was enqueued with {name}, no parameter of it{nearest(name, trial.params)}")
        return asked

    def _begin(self) -> Trial:
        """``study.ask()``; in a shared storage the trial is ours from the first: one without an owner is left alone."""
        if not self._shared:
            return self.study.ask()
        if self._waiting:
            trial = self.study.ask()
            trial.set_user_attr(_OWNER, _me())
            return trial
        self.study._thread_local.cached_all_trials = None  # as `ask` does, once a trial
        ours = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={_OWNER: _me()})
        return Trial(self.study, self.study._storage.create_new_trial(self.study._study_id, template_trial=ours))

    def _suggest(self, trial: Trial) -> Asked:
        if self._planned is not None:
            planned = self._point(trial.number) or self._planned.plan.point(0) or {}
            active = self.space.active(planned)
            self._planned.point = {self.space.name(active[k], planned): v for k, v in planned.items()}
        drawn: Point = {}

        def pick(p: Parameter) -> Value:
            drawn[p.key] = suggest(trial, self.space.name(p, drawn), p.distribution)
            return drawn[p.key]

        point = self.space.walk(pick)
        extra = suggest_more(trial, self._extend, self.space, self.config)
        asked = self._asked(trial.number, point, extra)
        if extra:
            try_suggested(str(self._extend), asked.overrides, self.space)
        return asked

    def _asked(self, number: int, point: Point, extra: Point | None = None) -> Asked:
        parse = self.space.composer.parse
        overrides = self.space.overrides(point) + [f"{k}={choice_text(v, parse)}" for k, v in (extra or {}).items()]
        if self.settings.repeats > 1 and self._seed is not None:
            overrides.append(f"seed={self._seed + number % self.settings.repeats}")
        return Asked(number, {**point, **(extra or {})}, overrides)

    def optuna_trial(self, number: int) -> Trial:
        storage = self.study._storage
        return Trial(self.study, storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number))

    def note_submission(self, number: int, folder: Path, overrides: list[str]) -> None:
        """Tell those who share the storage where a trial's record is; a folder of our own says it in its ledger."""
        if self._shared:
            trial = self.optuna_trial(number)
            trial.set_user_attr(FOLDER, str(folder))
            trial.set_user_attr(OVERRIDES, overrides)

    def note_failure(self, number: int, reason: str) -> None:
        with suppress(UpdateFinishedTrialError):  # by another who shares the storage
            self.optuna_trial(number).set_user_attr("sweeper.reason", reason)

    def is_ours(self, trial: FrozenTrial) -> bool:
        """A RUNNING trial is ours to take over unless another living orchestrator shares the storage."""
        owner = trial.user_attrs.get(_OWNER)
        if not self._shared:
            return True
        host, _, pid = str(owner).rpartition(":")
        return owner == _me() or (host == socket.gethostname() and not _alive(int(pid)))


def enqueued(study: Study) -> int:
    """How many trials somebody has enqueued, beside the points of the space."""
    return sum(map(_is_enqueued, study.get_trials(deepcopy=False)))


def _is_enqueued(trial: FrozenTrial) -> bool:
    return FIXED in trial.system_attrs and RECALLED not in trial.user_attrs


def _seed(space: SearchSpace) -> int | None:
    """The app's own ``seed``, which repeats of a point vary; None if it has none or searches it."""
    seed = before_its_job(space.composer.compose(space.examples[0]), "seed")
    return seed if isinstance(seed, int) and "seed" not in space.swept else None


def _me() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
