"""The Lightning callback in a real trainer: true curves, pruning, stops."""

from __future__ import annotations

import os
import signal
import time

import pytest

from sweeper.folder import read_attempt
from tests.conftest import start
from tests.study.test_failures import results, study

SWEEP = ("-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.tracking=null", "hydra.sweep.dir=s")
PRELOAD = "hydra.launcher.preload=[lightning]"
# Lightning 2.6 itself warns of torch 2.13's pytree
pytestmark = pytest.mark.filterwarnings("ignore")


def test_curves_are_those_that_the_module_logs(run, tmp_path):
    done = run(
        "lit.py", *SWEEP, "lr=0.05,0.1", "hydra.sweeper.n_trials=2", "val_every=0.5", "hydra/sweeper/sampler=grid"
    )
    assert done.code == 0, done
    for number, trial in enumerate(study(tmp_path / "s").trials):
        metrics = read_attempt(tmp_path / "s" / str(number), 0).metrics
        validations = [(m["step"], m["values"]["val/loss"]) for m in metrics if "val/loss" in m["values"]]
        assert [step for step, _ in validations] == [2, 4, 6, 8, 10, 12]  # twice in each of three epochs of four steps
        assert validations[-1][1] == pytest.approx(trial.value) and validations[0][1] > validations[-1][1]
        trained = [m["step"] for m in metrics if "train_loss" in m["values"]]
        assert trained == [4, 8, 12]


@pytest.mark.long
def test_a_trial_on_two_devices(run, tmp_path):
    done = run("lit.py", *SWEEP, "lr=0.05,0.1", "devices=2", "epochs=1", "hydra.sweeper.n_trials=2", "patience=9")
    assert done.code == 0, done
    log = (tmp_path / "s" / "1" / "output.0.log").read_text()
    assert "GLOBAL_RANK: 1, MEMBER: 2/2" in log, log


@pytest.mark.long
def test_a_hopeless_trial_is_pruned(run, tmp_path):
    pruner = (
        "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:10}",
        "hydra.sweeper.monitor=val/loss",
    )
    done = run(
        # the good one ends when it has nothing left to learn, the other only when it is pruned
        *(
            "lit.py",
            *SWEEP,
            *pruner,
            PRELOAD,
            "lr=0.1,3",
            "epochs=100000",
            "patience=100000",
            "hydra/sweeper/sampler=grid",
        ),
        *("hydra.sweeper.n_trials=2", "metrics=[val/loss]", "hydra.sweeper.n_jobs=2"),
    )
    assert done.code == 0, done
    assert [t.state.name for t in study(tmp_path / "s").trials] == ["COMPLETE", "PRUNED"]


@pytest.mark.long
def test_a_metric_that_is_not_logged_is_named(run, tmp_path):
    done = run("lit.py", *SWEEP, "hydra.sweeper.n_trials=1", "+x=1,2", "metrics=[val_loss]", "epochs=1")
    assert done.code == 1, done
    (failed,) = results(tmp_path / "s")["failed_trials"]
    assert "must name metrics that the module logs, got 'val_loss' (did you mean 'val/loss'?)" in failed["reason"]


@pytest.mark.long
def test_a_stopped_trainer_is_interrupted_not_failed(run, tmp_path):
    command = (
        "lit.py",
        *SWEEP,
        PRELOAD,
        "lr=0.1,0.2",
        "wait=true",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.n_jobs=1",
    )
    process = start(*command, cwd=tmp_path)
    log = tmp_path / "s" / "0" / "output.0.log"
    while not (log.exists() and "training" in log.read_text()):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert read_attempt(tmp_path / "s" / "0", 0).end.state == "INTERRUPTED"
    (tmp_path / "go").touch()
    done = run(*command)
    assert done.code == 0 and results(tmp_path / "s")["counts"] == {"COMPLETE": 2, "PRUNED": 0, "FAIL": 0}, done
