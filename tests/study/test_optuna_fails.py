"""A sampler, a pruner or a storage that raises in mid-sweep ends it in one line, with all that was told kept."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import start
from tests.study.test_failures import SWEEP, results, study
from tests.study.test_reports import APP

OWN = """
import optuna

def constraints(trial):
    return trial.user_attrs["c"]

class Sampler(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, *asked):
        return super().sample_independent(study, trial, *asked) if trial.number < 2 else float("nan")

class Pruner(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return 1 / trial.number
"""
LOSE = "if HydraConfig.get().job.num == 2: open('s.db', 'wb').write(b'no database' * 1000)"
REPORT = "import sweeper, time\n    for step in range(9): sweeper.report(step=step, loss=1), time.sleep(0.1)"
TWO = REPORT.replace("loss=1)", "a=1), sweeper.report(step=step, b=2)")
STORED = "{storage: 'sqlite:///s.db', study_name: mine}"
FUNCTION = "{_target_: hydra.utils.get_method, path: __main__.constraints}"
FAILS = {
    "optuna#2790, constraints of what was never set": (
        f"{{sampler: {{_target_: optuna.samplers.NSGAIISampler, constraints_func: {FUNCTION}}}}}",
        *("pass", ["hydra.sweeper.sampler, told of trial 0000, raised KeyError: 'c' (app.py:", "in constraints"], 1),
    ),
    "a value that is none": (
        *("{sampler: {_target_: __main__.Sampler}}", "pass"),
        *(["hydra.sweeper.sampler, asked for a trial, raised ValueError: `nan` is invalid value"], 2),
    ),
    "a pruner": (
        *("{pruner: {_target_: __main__.Pruner}}", REPORT),
        *(["hydra.sweeper.pruner raised ZeroDivisionError", "the same command goes on"], 0),
    ),
    "two metrics, each reported alone": (
        *("{pruner: median}", TWO, ["hydra.sweeper.monitor must name the metric", "got null while trials report a, b"]),
        None,
    ),
    "a storage that is lost": (
        STORED,
        LOSE,
        ["hydra.sweeper.storage", "file is not a database", "the same command goes on"],
        None,
    ),
}


@pytest.mark.parametrize("name", FAILS)
def test_one_line_and_what_was_told_is_kept(quick, tmp_path: Path, name: str) -> None:
    settings, task, says, complete = FAILS[name]
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(f"x: 1.0\nhydra: {{sweeper: {settings}}}\n")
    app = tmp_path / "app.py"
    app.write_text(APP.format(before=OWN, task=task))
    done = quick(app, *SWEEP, "x=interval(0,1)", "hydra.sweeper.n_jobs=1", "hydra.sweeper.n_trials=4")
    assert done.code == 1 and "Traceback" not in done.both and all(word in done.err for word in says), done
    if complete is not None:
        assert results(tmp_path / "s")["counts"] == {"COMPLETE": complete, "PRUNED": 0, "FAIL": 0}


LOSES_ANSWERS = """
import optuna
from optuna.storages.journal import JournalFileBackend

class Away(optuna.storages.JournalStorage):
    asked = 0

    def __init__(self):
        super().__init__(JournalFileBackend("away.journal"))

    def create_new_trial(self, *args, **kwargs):
        Away.asked += 1
        if Away.asked == 3:
            raise ConnectionError("refused")
        made = super().create_new_trial(*args, **kwargs)
        if Away.asked in (2, 5):
            raise ConnectionError("reset by peer")
        return made

    def set_trial_state_values(self, trial_id, *args, **kwargs):
        told = super().set_trial_state_values(trial_id, *args, **kwargs)
        if trial_id == 1:
            raise ConnectionError("reset by peer")
        return told
"""


def test_what_a_storage_did_before_its_connection_broke_is_not_lost(quick, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    storage = "{storage: {_target_: __main__.Away}, study_name: mine}"
    (tmp_path / "conf" / "config.yaml").write_text(f"x: 1.0\nhydra: {{sweeper: {storage}}}\n")
    app = tmp_path / "app.py"
    app.write_text(APP.format(before=LOSES_ANSWERS, task="pass"))
    done = quick(app, *SWEEP, "x=interval(0,1)", "hydra.sweeper.n_jobs=1", "hydra.sweeper.n_trials=5")
    assert done.code == 0 and "does not answer (ConnectionError: refused)" in done.err, done
    assert "answers again" in done.err, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 5, "PRUNED": 0, "FAIL": 0}


ODD_STEPS = """
    import sweeper, time
    for fold in range(2):
        for step in range(-1, 4):
            sweeper.report(step=step, loss=fold)
    time.sleep(1.5)  # for the study to read them
"""


def test_steps_before_the_first_and_steps_again_are_no_pruners_business(quick, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("x: 1.0\nhydra: {sweeper: {pruner: median}}\n")
    app = tmp_path / "app.py"
    app.write_text(APP.format(before="", task=ODD_STEPS))
    done = quick(app, *SWEEP, "x=interval(0,1)", "hydra.sweeper.n_jobs=1", "hydra.sweeper.n_trials=2")
    assert done.code == 0 and "Warning" not in done.err, done
    assert done.err.count("has reported step 0 again") == 1
    assert [t.intermediate_values for t in study(tmp_path / "s").trials] == [{0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0}] * 2


@pytest.mark.long
def test_a_database_that_another_holds_for_a_while_is_waited_for(tmp_path: Path) -> None:
    stored = ("hydra.sweeper.storage=sqlite:///s.db", "hydra.sweeper.study_name=mine", "hydra.sweeper.n_trials=6")
    process = start("toy.py", *SWEEP, *stored, "x=uniform(0,1)", "sleep=0.3", cwd=tmp_path)
    while not list(tmp_path.glob("s/*/events.0.jsonl")):
        time.sleep(0.05)
    with closing(sqlite3.connect(tmp_path / "s.db", timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(7)  # SQLite's own patience is 5 s
        other.execute("ROLLBACK")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 6


@pytest.mark.parametrize(("bound", "launcher"), [(0.5, "local"), (-1, "basic")])
def test_the_best_trial_meets_the_constraints(run, tmp_path, bound, launcher):
    sampler = f"{{_target_: optuna.samplers.TPESampler, seed: 1, constraints_func: {FUNCTION}}}"
    (tmp_path / "app.py").write_text(
        f"import hydra\n\ndef constraints(trial):\n    return [trial.params['x'] - {bound}]\n\n"
        "@hydra.main(version_base=None, config_path='.', config_name='config')\n"
        "def main(cfg):\n    return -cfg.x\n\nif __name__ == '__main__':\n    main()\n"
    )
    (tmp_path / "config.yaml").write_text(
        f"defaults: [_self_, {{override hydra/sweeper: optuna}}]\nx: 1.0\nhydra: {{sweeper: {{sampler: {sampler}}}}}\n"
    )
    done = run(
        tmp_path / "app.py", "-m", f"hydra/launcher={launcher}", "x=interval(0,1)", "hydra.sweeper.n_trials=8",
        "hydra.sweep.dir=s", "hydra.sweeper.tracking=null",
    )  # fmt: skip
    assert done.code == 0, done
    said, found = results(tmp_path / "s"), study(tmp_path / "s")
    xs = [t.params["x"] for t in found.trials]
    assert max(xs) > bound, "no trial breaks the constraint"
    if bound < 0:
        assert said["best_params"] == {} and said["best_trials"] == []
    else:
        assert said["best_params"] == found.best_params == {"x": max(x for x in xs if x <= bound)}
