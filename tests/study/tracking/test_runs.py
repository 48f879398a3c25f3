import math
from pathlib import Path

import pytest
from sqlalchemy import make_url

from sweeper.lines import Tail
from sweeper.study.tracking.record import Seen, Study, Trial
from sweeper.study.tracking.runs import (
    NAME_CHARS,
    metrics_of,
    param_values,
    read_cursor,
    short_keys,
    short_value,
    study_run,
    trial_name,
    trial_run,
    write_cursor,
)
from sweeper.study.tracking.target import sqlite_uri

STUDY = Study(id="s1", name="first", app="train", project=Path("/p"), folder=Path("/p/multirun/first"), started=5.0)


def trial_of(*attempts: list[dict[str, object]], **params: object) -> Trial:
    trial = Trial(37, Path("/p/multirun/first/0037"), params, submitted=9.0)
    for n, events in enumerate(attempts):
        trial.seen[n] = Seen(Tail(Path("unread")))
        trial.seen[n].take(events)
    return trial


def start(time: float, **fields: object) -> dict[str, object]:
    return {"event": "start", "time": time, **fields}


def end(time: float, state: str, **fields: object) -> dict[str, object]:
    return {"event": "end", "time": time, "state": state, **fields}


def test_a_key_is_as_short_as_it_is_clear() -> None:
    assert short_keys(["optimizer.lr", "model.width"]) == {"optimizer.lr": "lr", "model.width": "width"}
    assert short_keys(["a.optimizer.lr", "b.optimizer.lr", "lr"]) == {
        "a.optimizer.lr": "a.optimizer.lr",
        "b.optimizer.lr": "b.optimizer.lr",
        "lr": "lr",
    }
    assert short_keys(["+new.key"]) == {"+new.key": "key"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0031234, "3.12e-3"),
        (0.0031, "3.1e-3"),
        (1e-5, "1e-5"),
        (0.125, "0.125"),
        (0.9, "0.9"),
        (64.0, "64"),
        (123456.0, "1.23e5"),
        (-0.002, "-2e-3"),
        (0.0, "0.0"),
        (float("inf"), "inf"),
        (64, "64"),
        (True, "True"),
        ("adam", "adam"),
        ("x" * 50, "x" * 20),
    ],
)
def test_a_value_has_three_digits(value: object, text: str) -> None:
    assert short_value(value) == text


def test_a_trial_is_named_by_its_number_and_what_was_searched() -> None:
    trial = trial_of(**{"optimizer.lr": 0.0031, "model.width": 64})
    assert trial_name(STUDY, trial, {}) == "0037 lr=3.1e-3 width=64"
    chosen = trial_of(**{"optimizer": "sgd", "optimizer.lr": 0.1, "schedule": "none"})
    assert trial_name(STUDY, chosen, {"optimizer.lr": 0.1, "schedule": "none"}) == "0037 sgd lr=0.1 schedule=none"
    long = trial_of(**{f"group.parameter_number_{i}": 0.5 for i in range(9)})
    assert len(trial_name(STUDY, long, {})) == NAME_CHARS
    lone = Trial(None, Path("/p/outputs/2026-01-31/12-00-00"), {}, 0.0)
    assert trial_name(STUDY, lone, {}) == "train 2026-01-31 12-00-00"


def test_searched_parameters_come_first_and_keep_their_value() -> None:
    params = param_values({"b": 0.1, "+x@y": 1}, {"a": None, "b": 0.25, "c": "long" * 9999})
    assert list(params) == ["b", "x_y", "a", "c"]
    assert params["b"] == "0.1"
    assert params["a"] == "None"
    assert len(params["c"]) == 6000


def test_metrics_keep_step_and_time_and_take_names_that_mlflow_takes() -> None:
    values = {
        "val/loss": 0.5,
        "top@5": 1,
        "a//b": 2.0,
        "../x": 3,
        "nan": math.nan,
        "text": "no",
    }
    metrics = metrics_of({"event": "metrics", "time": 1.2345, "step": 3, "values": values}, last_step=9, reached={})
    assert {m.key for m in metrics} == {"val/loss", "top_5", "a/b", "x", "nan"}
    assert {(m.step, m.time_ms) for m in metrics} == {(3, 1234)}


def test_names_that_differ_in_a_sign_stay_two() -> None:
    names = ("f1<0.5", "f1>0.5", "f1=0.5", "acc%", "acc+", "acc")
    metrics = metrics_of({"event": "metrics", "time": 0.0, "step": 0, "values": dict.fromkeys(names, 0.5)}, 0, {})
    assert [m.key for m in metrics] == ["f1_lt_0.5", "f1_gt_0.5", "f1_eq_0.5", "acc_percent_", "acc_plus_", "acc"]


def test_objectives_stand_at_the_last_step() -> None:
    one, two = (metrics_of(end(2.0, "COMPLETE", values=values), 9, {}) for values in ([0.5], [1, 2]))
    assert [(m.key, m.value, m.step) for m in one] == [("objective", 0.5, 9)]
    assert [(m.key, m.value) for m in two] == [("objective_0", 1.0), ("objective_1", 2.0)]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("COMPLETE", "FINISHED"),
        ("PRUNED", "KILLED"),
        ("FAIL", "FAILED"),
        ("INTERRUPTED", "KILLED"),
        ("LOST", "KILLED"),
    ],
)
def test_the_end_is_told_as_it_was(state: str, status: str) -> None:
    run = trial_run(STUDY, trial_of([start(10.0), end(12.0, state, reason="why")]), "parent", live=True)
    assert run is not None
    assert (run.status, run.start_ms, run.end_ms) == (status, 10_000, 12_000)
    assert run.tags["sweeper.state"] == state
    assert run.tags["sweeper.reason"] == "why"
    assert run.tags["mlflow.parentRunId"] == "parent"


def test_a_reason_is_text_in_the_description() -> None:
    failed = trial_of([start(10.0), end(12.0, "FAIL", reason="<img src=x> [a](http://b)")])
    run = trial_run(STUDY, failed, None, live=True)
    assert run is not None and run.tags["mlflow.note.content"] == "**FAIL** &lt;img src=x> \\[a](http://b)"
    assert run.tags["sweeper.reason"] == "<img src=x> [a](http://b)"


def test_a_later_attempt_reopens_the_run_and_its_config_stays_the_first() -> None:
    first = [start(10.0, config={"lr": 0.1}), end(12.0, "INTERRUPTED", reason="scancel")]
    again = [
        start(20.0, config={"lr": 0.2}, slurm_job_id="71"),
        {"event": "metrics", "time": 21.0, "step": 4},
    ]
    run = trial_run(STUDY, trial_of(first, again), "parent", live=True)
    assert run is not None
    assert (run.status, run.start_ms, run.end_ms) == ("RUNNING", 10_000, None)
    assert run.tags["sweeper.reason"] == ""
    assert run.tags["sweeper.attempt"] == "1"
    assert run.tags["slurm_job_id"] == "71"
    assert run.tags["sweeper.relayed"] == "0:2 1:2"
    assert run.params == {"lr": "0.1"}


def test_without_anyone_alive_an_open_trial_was_interrupted_when_last_heard_of() -> None:
    trial = trial_of([start(10.0), {"event": "metrics", "time": 11.5, "step": 0, "values": {"loss": 1.0}}])
    run = trial_run(STUDY, trial, "parent", live=False)
    assert run is not None
    assert (run.status, run.tags["sweeper.state"], run.end_ms) == ("KILLED", "INTERRUPTED", 11_500)
    assert trial_run(STUDY, trial_of([]), "parent", live=False) is None


def test_a_detached_study_goes_on_without_its_orchestrator() -> None:
    detached = {"state": "RUNNING", "reason": "detached", "time": 30.0}
    assert study_run(STUDY, detached, 40.0, live=False).status == "RUNNING"
    assert study_run(STUDY, {**detached, "state": "COMPLETE"}, 40.0, live=False).end_ms == 30_000
    died = study_run(STUDY, None, 40.0, live=False)
    assert (died.status, died.tags["sweeper.state"], died.end_ms) == ("KILLED", "INTERRUPTED", 40_000)


def test_only_what_the_store_lacks_is_fresh() -> None:
    seen = Seen(Tail(Path("unread")), relayed=2)
    seen.take([start(1.0), {"event": "metrics", "step": 0}, {"event": "metrics", "step": 1}])
    assert [event["step"] for event in seen.fresh] == [1]
    assert read_cursor(write_cursor({0: 22, 1: 5})) == {0: 22, 1: 5}
    assert read_cursor("") == {}


@pytest.mark.parametrize("path", ["/a/mlflow.db", "/a b,c/mlflow.db", "/100%/m.db", "/a%20b/m.db"])
def test_an_address_leads_to_its_file(path: str) -> None:
    assert make_url(sqlite_uri(Path(path))).database == path
