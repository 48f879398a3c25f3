"""A sampler, a pruner or a storage that raises in mid-sweep ends it in one line, with all that was told kept."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    "a storage that is lost": (STORED, LOSE, ["hydra.sweeper.storage must stay", "file is not a database"], None),
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


ODD_STEPS = """
    import sweeper, time
    for fold in range(2):
        for step in range(-1, 4):
            sweeper.report(step=step, loss=fold)
    time.sleep(0.3)
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
