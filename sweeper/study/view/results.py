"""What a study has found so far: ``optimization_results.yaml``, kept current."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from sweeper.folder import COMPLETE, FAIL, PRUNED, End, attempts, read_attempt, replace
from sweeper.study.provenance import command_line, rerun_command
from sweeper.study.search.ask import FOLDER, OVERRIDES, RETRIES
from sweeper.study.search.samplers import pareto_or_best
from sweeper.study.study_folder import RESULTS, StudyFolder


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes text of several lines as a block that a person can read."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)

BEST = 5  # trials listed for a single direction
WRITE_EVERY_S = 1.0


class Results:
    """Counts, best trials and failures of one study; reads Optuna's record once and is told of each end."""

    def __init__(
        self,
        folder: StudyFolder,
        study: Study,
        asked: Mapping[str, Any],
        *,
        n_trials: int,
        size: int | None,
        resume: dict[str, object],
    ) -> None:
        self.folder = folder
        self.study = study
        self.asked = asked
        self.n_trials = n_trials
        self.size = size  # trials until the space is exhausted
        self.total = n_trials if size is None else min(n_trials, size)
        self.resume = resume  # the overrides that make the same command find this study again
        self.failures: dict[int, dict[str, Any]] = {}
        submissions = folder.submissions().values()
        self._paths = {s.number: folder.path / s.folder for s in submissions}
        self._params = {s.number: s.params for s in submissions}
        self._overrides = {s.number: s.overrides for s in submissions}
        self._metrics: dict[int, dict[str, float]] = {}
        self._runs: Mapping[int, str] = {}
        self._written = 0.0
        self._dirty = True
        self.counts = {COMPLETE: 0, PRUNED: 0, FAIL: 0}
        self.repeats: Mapping[int, int] = {}  # trials that repeat failed ones
        trials = study.get_trials(deepcopy=False)
        healed = {t.user_attrs[RETRIES] for t in trials if t.state == TrialState.COMPLETE and RETRIES in t.user_attrs}
        for trial in trials:
            if trial.state.name in self.counts:
                self.counts[trial.state.name] += 1
            if trial.state == TrialState.FAIL:
                self._learn(trial)
            if trial.state == TrialState.FAIL and trial.number not in healed:
                reason = str(trial.user_attrs.get("sweeper.reason", ""))
                self.failures[trial.number] = self._failure(trial.number, reason, "")

    def add(self, number: int, end: End, params: Mapping[str, Any], path: Path, log_tail: str | None) -> None:
        """A trial has ended."""
        state = end.state if end.state in self.counts else FAIL
        self.counts[state] += 1
        self._paths[number] = path
        self._params[number] = dict(params)
        if state == COMPLETE and number in self.repeats:
            self.failures.pop(self.repeats[number], None)
        if state == FAIL:
            self.failures[number] = self._failure(number, end.reason or "", log_tail or "")
        self._dirty = True

    def learn_runs(self, run_ids: Mapping[int, str]) -> None:
        self._runs = run_ids

    def last_failure(self) -> str:
        return str(self.failures[max(self.failures)]["reason"]) if self.failures else ""

    def _failure(self, number: int, reason: str, log_tail: str) -> dict[str, Any]:
        return {"number": number, "reason": reason, "folder": self._folder(number), "log_tail": log_tail}

    def _learn(self, trial: FrozenTrial) -> None:
        """Where a trial is that isn't in our ledger, or not yet: another orchestrator of the storage ran it."""
        number = trial.number
        if number not in self._overrides and (submitted := self.folder.submissions().get(number)):
            self._overrides[number] = submitted.overrides
        if number not in self._paths and FOLDER in trial.user_attrs:
            self._paths[number] = Path(trial.user_attrs[FOLDER])
            self._overrides[number] = trial.user_attrs.get(OVERRIDES, [])

    def _folder(self, number: int) -> str | None:
        return str(self._paths[number]) if number in self._paths else None

    def best(self) -> list[dict[str, Any]]:
        """The best trials (the Pareto front for several directions), best first."""
        return [self._entry(t) for t in pareto_or_best(self.study, BEST)]

    def _entry(self, trial: FrozenTrial) -> dict[str, Any]:
        number = trial.number
        self._learn(trial)
        values = list(trial.values)
        return {
            "number": number,
            **({"value": values[0]} if len(values) == 1 else {"values": values}),
            "params": dict(self._params.get(number, trial.params)),
            "metrics": self._last_metrics(number),
            "folder": self._folder(number),
            "mlflow_run_id": self._runs.get(number),
            "command": rerun_command(self._overrides[number]) if number in self._overrides else None,
        }

    def _last_metrics(self, number: int) -> dict[str, float]:
        """What the trial reported last, read once."""
        if number not in self._metrics:
            folder = self._paths.get(number)
            events = [e for n in attempts(folder) for e in read_attempt(folder, n).metrics] if folder else []
            self._metrics[number] = events[-1]["values"] if events else {}
        return self._metrics[number]

    def write_if_due(self) -> None:
        if self._dirty and time.monotonic() - self._written > WRITE_EVERY_S:
            self.write()

    def write(self) -> None:
        """Write ``optimization_results.yaml``: hydra-optuna-sweeper's keys first, then ours."""
        best = self.best()
        if len(self.asked["directions"]) > 1:
            peers: dict[str, Any] = {
                "solutions": [{"params": dict(b["params"]), "values": list(b["values"])} for b in best]
            }
        else:
            first = best[0] if best else {"params": {}, "value": None}
            peers = {"best_params": dict(first["params"]), "best_value": first["value"]}
        content = {
            "name": "optuna",
            **peers,
            "study": self.asked["name"],
            "metric": self.asked["metric"],
            "directions": list(self.asked["directions"]),
            "n_trials": self.n_trials,
            "counts": dict(self.counts),
            "best_trials": best,
            "failed_trials": list(self.failures.values()),
            "resume": command_line(**self.resume),
        }
        text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
        replace(self.folder.path / RESULTS, text)
        self._written, self._dirty = time.monotonic(), False

    def write_plots(self) -> None:
        """Optuna's plots as pages in the study folder; skipped where plotly is not installed."""
        try:
            from sweeper.study.view.plots import write_plots
        except ImportError:
            return
        write_plots(self.study, self.folder.path, self.asked["metric"])
