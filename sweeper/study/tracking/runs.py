"""What MLflow should hold of a study, as values: names, tags, parameters, metrics, end states.

Everything here is a function of what was read from the folders; nothing touches a disk, a clock or MLflow.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sweeper.folder import COMPLETE, FAIL, INTERRUPTED, LOST, PRUNED, End, as_end
from sweeper.study.tracking.record import Seen, Study, Trial

RUNNING = "RUNNING"
STATUS = {
    COMPLETE: "FINISHED",
    PRUNED: "KILLED",
    FAIL: "FAILED",
    INTERRUPTED: "KILLED",
    LOST: "KILLED",
    RUNNING: "RUNNING",
}

STUDY, TRIAL, STATE, REASON, FOLDER, ATTEMPT, RELAYED, BEST = (
    f"sweeper.{name}" for name in ("study", "trial", "state", "reason", "folder", "attempt", "relayed", "best_trial")
)
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"  # the description on a run's page, in Markdown

NAME_CHARS = 80  # what the run table of MLflow's UI shows
SPELT = str.maketrans(
    {"<": "_lt_", ">": "_gt_", "=": "_eq_", "+": "_plus_", "%": "_percent_"}
)  # these tell names apart
KEY_CHARS = 250  # MLflow's limits
PARAM_CHARS = 6000
TAG_CHARS = 5000

UNSEEN_END = "the study process was gone and the trial left no end"
SILENT_END = "the study process ended without a word"


@dataclass(frozen=True)
class Metric:
    """One measured number."""

    key: str
    value: float
    time_ms: int
    step: int


@dataclass(frozen=True)
class Run:
    """What the store should hold of one run: all of it, but of metrics and artifacts only what is fresh."""

    name: str
    start_ms: int
    status: str
    end_ms: int | None
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)  # relative to the folder


def trial_run(study: Study, trial: Trial, parent: str | None, *, live: bool) -> Run | None:
    """The run of a trial, None before its first attempt has begun.

    ``live`` says that somebody may still end it; otherwise a trial without an end was interrupted.
    """
    attempts = trial.attempts()
    if not attempts:
        return None
    number, last = attempts[-1]
    end = last.end or (None if live else End(INTERRUPTED, None, UNSEEN_END, last.last_time))
    told = next((seen.start for _, seen in attempts if seen.start.get("config")), last.start)
    jobs = [seen.start["slurm_job_id"] for _, seen in attempts if seen.start.get("slurm_job_id")]
    fresh = [event for _, seen in attempts for event in seen.fresh]
    return Run(
        name=trial_name(study, trial, told.get("config") or {}),
        start_ms=_ms(attempts[0][1].start.get("time") or trial.submitted),
        status=STATUS[end.state if end else RUNNING],
        end_ms=_ms(end.time) if end else None,
        tags={
            **{mlflow_key(key): str(text)[:TAG_CHARS] for _, seen in attempts for key, text in seen.tags.items()},
            **_origin(study, told.get("commit")),
            **_present({PARENT: parent, TRIAL: trial.number, "slurm_job_id": jobs[-1] if jobs else None}),
            **_state(end, trial.folder),
            **_failure(end, last.log_tail),
            ATTEMPT: str(number),
            RELAYED: write_cursor({n: seen.count for n, seen in attempts}),
        },
        params=param_values(trial.params, told.get("config") or {}),
        metrics=fresh_metrics([seen for _, seen in attempts]),
        artifacts=list(dict.fromkeys(path for event in fresh for path in artifacts_of(event))),
    )


def study_run(
    study: Study, ended: Mapping[str, Any] | None, last_time: float, best: Sequence[Metric] = (), *, live: bool
) -> Run:
    """The parent run; ``ended`` is the orchestrator's word on the end, where it had time to say one."""
    end: End | None = None
    if not live:
        end = as_end(ended) if ended else End(INTERRUPTED, None, SILENT_END, last_time)  # None: its jobs go on
    return Run(
        name=study.name,
        start_ms=_ms(study.started),
        status=STATUS[end.state if end else RUNNING],
        end_ms=_ms(end.time) if end else None,
        tags={
            **_origin(study, None),
            **_state(end, study.folder),
            **_present({BEST: best[-1].step if best else None}),
        },
        metrics=list(best),
    )


def best_so_far(ended: Iterable[tuple[int, float | None, int]], *, minimize: bool) -> list[Metric]:
    """The best objective at each trial that improved it, to compare studies by.

    ``ended`` are the number, the value (None without one) and the time in ms of the trials up to the first that has
    not ended: so what is in the store stays right however the study goes on.
    """
    curve: list[Metric] = []
    for number, value, time_ms in ended:
        if value is not None and (not curve or (value < curve[-1].value if minimize else value > curve[-1].value)):
            curve.append(Metric("best_objective", value, time_ms, number))
    return curve


def trial_name(study: Study, trial: Trial, config: Mapping[str, Any]) -> str:
    """``0037 sgd lr=3.1e-3 width=64``: an option is named by itself; a run outside a sweep by its app and folder."""
    if trial.number is None:
        name = " ".join([study.app, *trial.folder.parts[-2:]])
    else:
        short = short_keys(trial.params)
        options = {key for key in trial.params if any(known.startswith(f"{key}.") for known in config)}
        values = {key: short_value(value) for key, value in trial.params.items()}
        searched = (text if key in options else f"{short[key]}={text}" for key, text in values.items())
        name = " ".join([f"{trial.number:04d}", *searched])
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - 1] + "…"


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Each dotted key by its last part, or by as many as tell it from the others."""
    parts = {key: key.lstrip("+").split(".") for key in keys}

    def short(key: str) -> str:
        own = parts[key]
        for n in range(1, len(own)):
            if not any(other != key and parts[other][-n:] == own[-n:] for other in parts):
                return ".".join(own[-n:])
        return ".".join(own)

    return {key: short(key) for key in parts}


def short_value(value: Any) -> str:
    """A number to three significant digits, anything else cut at 20 characters."""
    if not isinstance(value, float) or not math.isfinite(value) or value == 0:
        return str(value)[:20]
    text = f"{value:.3g}"
    if "e" not in text and abs(value) >= 0.01:
        return text
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def param_values(searched: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, str]:
    """MLflow parameters: the searched ones first, then the rest of the flat config."""
    return {mlflow_key(key): str(value)[:PARAM_CHARS] for key, value in {**searched, **config, **searched}.items()}


def fresh_metrics(attempts: Iterable[Seen]) -> list[Metric]:
    """What the store may lack, each step of a metric once.

    An attempt that goes on from a checkpoint repeats the steps since then: those that an earlier attempt reported
    are in the store, which forgets nothing, and stay as they were.
    """
    metrics: list[Metric] = []
    reached: dict[str, int] = {}
    for seen in attempts:
        for event in seen.fresh:
            metrics += metrics_of(event, seen.last_step, reached)
        reached |= {key: max(step, reached.get(key, step)) for key, step in seen.reached.items()}
    return metrics


def metrics_of(event: Mapping[str, Any], last_step: int, reached: Mapping[str, int]) -> list[Metric]:
    """What one event measured beyond the steps ``reached`` before: metrics at their step, objectives at the last."""
    values: Mapping[str, Any] = {}
    step = last_step
    if event.get("event") == "metrics":
        step = event.get("step", 0)
        values = {k: v for k, v in (event.get("values") or {}).items() if k not in reached or step > reached[k]}
    elif event.get("event") == "end" and event.get("values"):
        values = dict(zip(objective_keys(len(event["values"])), event["values"], strict=True))
    time_ms = _ms(event.get("time", 0.0))
    numbers = ((mlflow_key(key), value) for key, value in values.items() if isinstance(value, int | float))
    return [Metric(key, float(value), time_ms, step) for key, value in numbers]


def objective_keys(count: int) -> list[str]:
    """The names of the objectives among the metrics."""
    return [f"objective_{i}" for i in range(count)] if count > 1 else ["objective"]


def artifacts_of(event: Mapping[str, Any]) -> list[str]:
    """The files, relative to the trial's folder, that an event adds to the record."""
    match event.get("event"):
        case "start":
            return [".hydra/config.yaml"]
        case "artifact" if event.get("path"):
            return [str(event["path"])]
    return []


def write_cursor(counts: Mapping[int, int]) -> str:
    """``0:22 1:5``: of attempt 0 the first 22 events are in the store, of attempt 1 the first 5."""
    return " ".join(f"{attempt}:{count}" for attempt, count in counts.items())


def read_cursor(text: str) -> dict[int, int]:
    """What :func:`write_cursor` wrote."""
    return {int(attempt): int(count) for attempt, count in (part.split(":") for part in text.split())}


def _origin(study: Study, commit: str | None) -> dict[str, str]:
    return {
        STUDY: study.id,
        "mlflow.source.name": study.app,
        "mlflow.source.type": "LOCAL",
        **_present({"mlflow.source.git.commit": commit or study.commit}),
    }


def _state(end: End | None, folder: Path) -> dict[str, str]:
    # the reason is written even when empty: it takes back the one of an earlier interruption
    return {
        STATE: end.state if end else RUNNING,
        REASON: ((end.reason if end else None) or "")[:TAG_CHARS],
        FOLDER: str(folder)[:TAG_CHARS],
    }


def _failure(end: End | None, log_tail: str) -> dict[str, str]:
    if end is None or end.state != FAIL:
        return {}
    log = "\n".join(f"    {line}" for line in log_tail.splitlines())
    return {NOTE: f"**{end.state}** {escaped(end.reason or '')}\n\n{log}".strip()[:TAG_CHARS]}


def escaped(text: str) -> str:
    """A person's text inside Markdown: shown as it is, neither markup nor a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("[", "\\[").replace("`", "\\`")


def _present(tags: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value)[:TAG_CHARS] for key, value in tags.items() if value is not None}


@cache  # a name comes back at every step
def mlflow_key(name: str) -> str:
    """A name that MLflow takes: its characters, no path that would resolve to another, 250 at most."""
    path = posixpath.normpath(re.sub(r"[^/\w.\- :]", "_", name.lstrip("+").translate(SPELT)))
    return path.lstrip("./")[:KEY_CHARS].rstrip("/") or "_"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
