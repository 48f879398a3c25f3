"""Trials that somebody has enqueued in a study's storage: run first, beside the points of the space."""

from __future__ import annotations

import optuna
import pytest

from tests.conftest import ROOT
from tests.study.test_failures import SWEEP, results

STORED = ("hydra.sweeper.storage=sqlite:///s.db", "hydra.sweeper.study_name=mine", "hydra.sweeper.n_jobs=1")
GRID = "hydra/sweeper/sampler=grid"
X = {
    "a grid is run whole": ([{"x": 3}, {"x": 2}], (GRID,), [3, 2, 1, 2, 3], ""),
    "a finite space is drawn whole": ([{"x": 3}], (), [3, 1, 3, 2], ""),
    "no such value": (
        [{"x": 4}, {"x": 2}],
        (GRID,),
        [None, 2, 1, 2, 3],
        "trial 0000 FAIL enqueued with a value outside",
    ),
    "no such parameter": (
        [{"xx": 4}],
        (GRID,),
        [1, 1, 2, 3],
        "enqueued with xx, no parameter of it (did you mean 'x'?)",
    ),
}


def trials(folder) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="mine", storage=f"sqlite:///{folder}/s.db").trials


@pytest.mark.parametrize("name", X)
def test_enqueued_trials_take_no_point_from_the_space(quick, tmp_path, name):
    enqueued, arguments, expected, says = X[name]
    study = optuna.create_study(study_name="mine", storage=f"sqlite:///{tmp_path}/s.db")
    for params in enqueued:
        study.enqueue_trial(params)
    command = ("toy.py", *SWEEP, *STORED, "x=1,2,3", *arguments, "hydra.sweeper.n_trials=9")
    done = quick(*command)
    assert done.code == (None in expected) and says in done.err and "Traceback" not in done.err, done
    assert [t.params.get("x") for t in trials(tmp_path)] == expected
    assert results(tmp_path / "s")["counts"]["FAIL"] == expected.count(None)
    again = quick(*command)
    assert again.code == done.code and len(trials(tmp_path)) == len(expected), again


def test_what_is_enqueued_in_the_folders_own_journal_is_run(quick, tmp_path):
    command = ("toy.py", *SWEEP, "x=1,2,3", GRID, "hydra.sweeper.n_jobs=1")
    assert quick(*command, "hydra.sweeper.n_trials=2").code == 0
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "s" / "study.journal"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    study.enqueue_trial({"x": 1})
    done = quick(*command, "hydra.sweeper.n_trials=9")
    assert done.code == 0, done
    again = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(backend._file_path))
    found = optuna.load_study(study_name=None, storage=again).trials
    assert [(t.params["x"], t.state.name) for t in found] == [(x, "COMPLETE") for x in (1, 2, 1, 3)]


def test_retry_in_a_storage_repeats_what_failed(quick, tmp_path):
    sweep = ("toy.py", *SWEEP, *STORED, "mode=flaky", "x=0.2,0.6,0.8", GRID, "hydra.sweeper.n_trials=3")
    assert quick(*sweep).code == 1
    (tmp_path / "go").touch()
    done = quick(ROOT / "sweeper" / "__main__.py", "retry", "s")
    assert done.code == 0 and "2 failed trial(s) to repeat" in done.err, done
    found = [(t.params["x"], t.state.name) for t in trials(tmp_path)]
    assert found == [(0.2, "COMPLETE"), (0.6, "FAIL"), (0.8, "FAIL"), (0.6, "COMPLETE"), (0.8, "COMPLETE")]
