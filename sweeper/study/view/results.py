"""What a study has found so far: ``optimization_results.yaml``, kept current."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from sweeper.folder import COMPLETE, FAIL, PRUNED, End, attempts, read_attempt, replace
from sweeper.study.provenance import command_line, rerun_command
from sweeper.study.search.ask import FOLDER, OVERRIDES, RETRIES, Asked
from sweeper.study.search.samplers import pareto_or_best
from sweeper.study.study_folder import RESULTS, StudyFolder, seal


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes text of several lines as a block that a person can read."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)

BEST = 5  # trials listed for a single direction
TAILS = 100  # failed trials listed with the end of their log
WRITE_EVERY_S = 1.0
WRITE_SHARE = 20  # and a write may take this part of the time: what is listed may grow with the study


@dataclass(frozen=True)
class _Ran:
    """What is listed of a trial beside its values: its parameters, where it ran, and what reruns it."""

    params: dict[str, Any]
    folder: Path | None
    overrides: Sequence[str] | None


class Results:
    """Counts, best trials and failures of one study; reads Optuna's record once and is told of each end.

    Of ten thousand trials it keeps those that it lists. ``latest`` are the best trials as last written.
    """

    def __init__(
        self,
        folder: StudyFolder,
        study: Study,
        asked: Mapping[str, Any],
        *,
        n_trials: int,
        size: int | None,
        resume: dict[str, object],
        mode_of_config: bool = False,
        typed: bool = True,
        shared: bool = False,
    ) -> None:
        self.folder = folder
        self.study = study
        self.asked = asked
        self.n_trials = n_trials
        self.size = size  # trials until the space is exhausted
        self.total = n_trials if size is None else min(n_trials, size)
        self.resume = resume  # the overrides that make the same command find this study again
        self.mode_of_config = mode_of_config
        self.typed = typed  # no command line says again what a program gave Hydra by itself
        self.failures: dict[int, dict[str, Any]] = {}
        self.latest: list[dict[str, Any]] = []
        self._metrics: dict[int, dict[str, float]] = {}
        self._runs: Mapping[int, str] = {}
        self._due = 0.0
        self._dirty = True
        self.counts = {COMPLETE: 0, PRUNED: 0, FAIL: 0}
        self.repeats: Mapping[int, int] = {}  # trials that repeat failed ones
        trials = study.get_trials(deepcopy=False)
        healed = {t.user_attrs[RETRIES] for t in trials if t.state == TrialState.COMPLETE and RETRIES in t.user_attrs}
        for trial in trials:
            if trial.state.name in self.counts:
                self.counts[trial.state.name] += 1
        failed = [t for t in trials if t.state == TrialState.FAIL and t.number not in healed]
        # the front of several directions, constraints, and what others add to a storage, are asked of Optuna
        constrained = getattr(study.sampler, "_constraints_func", None) is not None
        self._told = not shared and not constrained and len(asked["directions"]) == 1
        best, submitted = pareto_or_best(study, BEST), folder.submissions()
        self._best = {t.number: list(t.values) for t in best}
        self._ran = {
            t.number: _Ran(s.params, folder.path / s.folder, s.overrides)
            for t in (*best, *failed)
            if (s := submitted.get(t.number))
        }
        for trial in (*best, *failed):
            self._learn(trial)
        for trial in failed:
            reason = str(trial.user_attrs.get("sweeper.reason", ""))
            self.failures[trial.number] = self._failure(trial.number, reason, "")

    def add(self, end: End, asked: Asked, path: Path, log_tail: str | None) -> None:
        """A trial has ended."""
        number = asked.number
        state = end.state if end.state in self.counts else FAIL
        self.counts[state] += 1
        if state != PRUNED:
            self._ran[number] = _Ran(dict(asked.params), path, asked.overrides)
        if state == COMPLETE:
            self._best[number] = list(end.values or ())
            if number in self.repeats:
                self.failures.pop(self.repeats[number], None)
        if state == FAIL:
            self.failures[number] = self._failure(number, end.reason or "", log_tail or "")
            if len(self.failures) > TAILS:
                list(self.failures.values())[-TAILS - 1]["log_tail"] = ""
        self._dirty = True

    def add_misfit(self, number: int, reason: str) -> None:
        """A trial has failed before it could be run."""
        self.counts[FAIL] += 1
        self.failures[number] = self._failure(number, reason, "")
        self._dirty = True

    def learn_runs(self, run_ids: Mapping[int, str]) -> None:
        self._runs = run_ids

    def failed(self) -> str:
        """How many trials have failed, in words."""
        ended, reasons = sum(self.counts.values()), {f["reason"] for f in self.failures.values()}
        if len(self.failures) == ended > 1 == len(reasons):
            return f"all {ended} trials failed, for one reason"
        return f"{len(self.failures)} trial(s) failed"

    def last_failure(self) -> str:
        return str(self.failures[max(self.failures)]["reason"]) if self.failures else ""

    def _failure(self, number: int, reason: str, log_tail: str) -> dict[str, Any]:
        return {"number": number, "reason": reason, "folder": self._folder(number), "log_tail": log_tail}

    def _learn(self, trial: FrozenTrial) -> None:
        """Where a trial is that isn't in our ledger: another orchestrator of the storage ran it."""
        if trial.number not in self._ran:
            attrs = trial.user_attrs
            folder = Path(attrs[FOLDER]) if FOLDER in attrs else None
            self._ran[trial.number] = _Ran(dict(trial.params), folder, attrs.get(OVERRIDES))

    def _folder(self, number: int) -> str | None:
        ran = self._ran.get(number)
        return None if ran is None or ran.folder is None else str(ran.folder)

    def best(self) -> list[dict[str, Any]]:
        """The best trials (the Pareto front for several directions), best first."""
        if self._told:
            sign = 1 if self.asked["directions"] == ["minimize"] else -1
            ranked = sorted(self._best.items(), key=lambda item: (sign * item[1][0], item[0]))[:BEST]
            self._best = dict(ranked)
        else:
            found = pareto_or_best(self.study, BEST)
            self._best = {t.number: list(t.values) for t in found}
            for trial in found:
                self._learn(trial)
        self._ran = {n: ran for n, ran in self._ran.items() if n in self._best or n in self.failures}
        self._metrics = {n: values for n, values in self._metrics.items() if n in self._best}
        return [self._entry(number, values) for number, values in self._best.items()]

    def _entry(self, number: int, values: list[float]) -> dict[str, Any]:
        ran = self._ran[number]
        return {
            "number": number,
            **({"value": values[0]} if len(values) == 1 else {"values": values}),
            "params": dict(ran.params),
            "metrics": self._last_metrics(number),
            "folder": self._folder(number),
            "mlflow_run_id": self._runs.get(number),
            "command": self._rerun(ran),
        }

    def _rerun(self, ran: _Ran) -> str | None:
        if ran.overrides is None or not self.typed:
            return None
        return rerun_command(ran.overrides, mode_of_config=self.mode_of_config)

    def again(self, **more: object) -> str:
        """The command that goes on with this study, with ``more`` overrides (see ``command_line``)."""
        if self.typed:
            return command_line(**self.resume, **more)
        given = (f"{key.replace('__', '.')}={value}" for key, value in {**self.resume, **more}.items())
        return f"the same program, which gives Hydra its overrides, with {' '.join(given)} among them"

    def _last_metrics(self, number: int) -> dict[str, float]:
        """What the trial reported last, read once."""
        if number not in self._metrics:
            folder = self._ran[number].folder
            events = [e for n in attempts(folder) for e in read_attempt(folder, n).metrics] if folder else []
            self._metrics[number] = events[-1]["values"] if events else {}
        return self._metrics[number]

    def write_if_due(self) -> None:
        if self._dirty and time.monotonic() > self._due:
            self.write()

    def write(self) -> None:
        """Write ``optimization_results.yaml``: hydra-optuna-sweeper's keys first, then ours."""
        began = time.monotonic()
        best = self.latest = self.best()
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
            "total": self.total,
            "counts": dict(self.counts),
            "best_trials": best,
            "failed_trials": list(self.failures.values()),
            "resume": self.again(),
        }
        text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
        replace(self.folder.path / RESULTS, seal(text))
        ended = time.monotonic()
        self._due, self._dirty = ended + max(WRITE_EVERY_S, WRITE_SHARE * (ended - began)), False

    def write_plots(self) -> None:
        """Optuna's plots as pages in the study folder; skipped where plotly is not installed."""
        try:
            from sweeper.study.view.plots import write_plots
        except ImportError:
            return
        write_plots(self.study, self.folder.path, self.asked["metric"])
