import json
from pathlib import Path

import pytest

from sweeper.study.tracking.page import TAG_CHARS, described, description, view, view_link
from sweeper.study.tracking.record import Study

STUDY = Study("s1", "first", "train", Path("/p"), Path("/p/multirun/first"), metric="val_loss", command="python t.py")
PAIR = Study("s2", "pair", "train", Path("/p"), Path("/p/multirun/pair"), directions=("maximize", "minimize"))


def results(**params: object) -> dict[str, object]:
    best = [
        {
            "number": number,
            "value": 0.0565109,
            "params": {"model": "cnn", **params},
            "metrics": {"train_loss": 0.1, "val_loss": 0.0565109, "val_accuracy": 0.9916},
            "command": f"python t.py seed={number}",
        }
        for number in (7, 3)
    ]
    return {"counts": {"COMPLETE": 12, "PRUNED": 0, "FAIL": 1}, "best_trials": best}


def test_the_view_has_what_was_measured_and_searched_best_first() -> None:
    state = json.loads(view(STUDY, "p1", ["model", "optimizer.lr"], {"train_loss", "val_loss", "objective"}))
    assert state["selectedColumns"] == [
        *("metrics.`objective`", "metrics.`val_loss`", "tags.`sweeper.state`"),
        *("params.`model`", "params.`optimizer.lr`"),
    ]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`objective`", True)
    assert state["searchFilter"] == "tags.`mlflow.parentRunId` = 'p1'"


def test_an_app_of_somebody_elses_has_its_own_metrics_in_the_view() -> None:
    state = json.loads(view(PAIR, "p1", [], {"loss", "objective_0", "objective_1"}))
    assert state["selectedColumns"][:3] == ["metrics.`objective_0`", "metrics.`objective_1`", "metrics.`loss`"]
    assert state["orderByAsc"] is False


def test_the_description_has_the_best_trials_with_links() -> None:
    text = description(STUDY, "5", {7: "r7"}, results(**{"optimizer.lr": 0.0095, "x|y": 1}), ["a/plots/history.html"])
    lines = text.splitlines()
    assert lines[0] == f"[All trials, best first]({view_link(STUDY, '5')[1:]}) · best of 12 complete, 1 fail:"
    assert lines[2:6] == [
        "| trial | val_loss | val_accuracy | model | lr | x\\|y |",
        "| --- | --- | --- | --- | --- | --- |",
        "| [0007](#/experiments/5/runs/r7) | 0.0565 | 0.992 | cnn | 9.5e-3 | 1 |",
        "| 0003 | 0.0565 | 0.992 | cnn | 9.5e-3 | 1 |",
    ]
    assert "Plots: [history](a/plots/history.html)" in lines
    assert "    python t.py seed=7" in lines and lines[-1] == "    python t.py"


def test_a_study_without_results_has_its_command_and_the_link() -> None:
    assert description(STUDY, "5", {}).splitlines()[-1] == "    python t.py"


@pytest.mark.parametrize("length", [100, 1000, 9000])
def test_a_long_description_loses_its_end_and_keeps_the_rest_whole(length: int) -> None:
    text = described(description(STUDY, "5", {}, results(**{"x" * length: 1})), "")
    assert len(text) <= TAG_CHARS and text.startswith("[All trials, best first](#/")
    assert "|" not in text or " | 1 |" in text


def test_a_persons_words_stay() -> None:
    first = described("ours", "")
    assert described("ours again", f"{first}mine").endswith("\nmine")
    assert described("ours again", f"{first}mine").startswith("ours again\n")
    assert described("ours again", "only mine") == "only mine"
    long = "x" * (TAG_CHARS - 9)
    assert described("ours again", f"ours\n\n---\n{long}") == f"our\n\n---\n{long}"


def test_a_view_of_very_many_parameters_fits_in_a_tag() -> None:
    state = view(STUDY, "p1", [f"some.long.group.parameter_{i}" for i in range(500)], [])
    assert TAG_CHARS - 60 < len(state) <= TAG_CHARS
    assert json.loads(state)["selectedColumns"][-1].startswith("params.`some.long")
