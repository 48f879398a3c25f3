"""What the results list of a study, beside Optuna's own ranking of it; and what is kept of thousands of trials."""

from __future__ import annotations

import random
from pathlib import Path

import optuna
import pytest
import yaml

from sweeper.folder import COMPLETE, FAIL, End
from sweeper.study.search.ask import Asked
from sweeper.study.study_folder import StudyFolder
from sweeper.study.view.results import TAILS, Results


def results(folder: StudyFolder, study: optuna.Study, *directions: str) -> Results:
    asked = {"name": "s", "metric": "loss", "directions": list(directions)}
    return Results(folder, study, asked, n_trials=5000, size=None, resume={})


def written(folder: StudyFolder) -> dict:
    return yaml.safe_load((folder.path / "optimization_results.yaml").read_text())


def run(study: optuna.Study, found: Results, folder: StudyFolder, values: list[float] | None) -> None:
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    name = str(trial.number)
    folder.log_submission(trial.number, 0, name, {"x": x}, [f"x={x}"])
    end = End(COMPLETE, values) if values else End(FAIL, None, "it broke")
    study.tell(trial, values, state=None if values else optuna.trial.TrialState.FAIL)
    found.add(end, Asked(trial.number, {"x": x}, [f"x={x}"]), folder.path / name, None if values else "a log")


@pytest.mark.parametrize("directions", [["minimize"], ["maximize"], ["minimize", "maximize"]])
def test_the_best_are_optunas_before_and_after_a_resumption(tmp_path: Path, directions: list[str]) -> None:
    study, folder, draw = optuna.create_study(directions=directions), StudyFolder(tmp_path), random.Random(0)
    found = results(folder, study, *directions)
    for n in range(60):
        run(study, found, folder, [draw.random() for _ in directions])
        if n % 7 == 0:
            found.write()
        if n == 30:
            found = results(folder, study, *directions)
    found.write()
    listed = written(folder)["best_trials"]
    best = {t.number for t in study.best_trials} if len(directions) > 1 else {study.best_trial.number}
    assert best == {t["number"] for t in (listed if len(directions) > 1 else listed[:1])}
    for trial in listed:
        told = study.trials[trial["number"]]
        assert (trial.get("values", [trial.get("value")]), trial["params"]) == (told.values, told.params)
        assert trial["folder"] == str(tmp_path / str(told.number)) and f"x={told.params['x']}" in trial["command"]
    if len(directions) == 1:
        key = [t["value"] * (1 if directions == ["minimize"] else -1) for t in listed]
        ranked = sorted(t.value * (1 if directions == ["minimize"] else -1) for t in study.trials)
        assert key == ranked[: len(key)]


def test_thousands_of_failures_are_listed_the_last_ones_with_their_log(tmp_path: Path) -> None:
    study, folder = optuna.create_study(), StudyFolder(tmp_path)
    found = results(folder, study, "minimize")
    for _ in range(TAILS + 50):
        run(study, found, folder, None)
    found.write()
    failed = written(folder)["failed_trials"]
    assert [f["number"] for f in failed] == list(range(TAILS + 50)) and {f["reason"] for f in failed} == {"it broke"}
    assert [f["log_tail"] for f in failed] == [""] * 50 + ["a log"] * TAILS
    assert found.failed() == f"all {TAILS + 50} trials failed, for one reason"
