"""Mistakes get one line: the key, the rule, the value, the repair. No traceback, no half-made study, exit code 1."""

from __future__ import annotations

import os

import pytest

from tests.conftest import ROOT

M = "-m"
TRAIN = [  # command, what the line says
    ([M, "model=mpl"], ["model/mpl", "mlp"]),
    ([M, "model=mpl,linear"], ["model/mpl", "mlp"]),
    (["optimiser=sgd"], ["optimiser"]),
    ([M, "optimizer.lrr=interval(1e-5,1e-1)"], ["optimizer.lrr", "did you mean 'optimizer.lr'"]),
    ([M, "optimizer.lr=interval(1e-1,1e-5)"], ["optimizer.lr", "low < high", "interval(1e-1,1e-5)"]),
    ([M, "optimizer.lr=loguniform(0,1)"], ["optimizer.lr", "low > 0", "loguniform(0,1)"]),
    ([M, "optimizer.lr=tag(log,interval(-1,1))"], ["optimizer.lr", "low > 0"]),
    ([M, "optimizer.lr=choice()"], ["optimizer.lr", "choice"]),
    ([M, "optimizer.lr=loguniforn(1e-5,1e-1)"], ["loguniforn"]),
    ([M, "hydra.sweeper.sampler.sede=3"], ["sede"]),
    ([M, "+hydra.sweeper.sampler.sede=3"], ["hydra.sweeper.sampler.sede", "did you mean 'seed'"]),
    ([M, "hydra.sweeper.sampler=rundom"], ["hydra.sweeper.sampler", "rundom", "random"]),
    ([M, "hydra.sweeper.pruner=asher"], ["hydra.sweeper.pruner", "asher", "asha"]),
    ([M, "hydra.sweeper.n_trials=0"], ["hydra.sweeper.n_trials", ">= 1", "got 0"]),
    ([M, "hydra.sweeper.n_trials=many"], ["hydra.sweeper.n_trials", "many"]),
    ([M, "hydra.sweeper.n_jobs=0"], ["hydra.sweeper.n_jobs", ">= 1"]),
    ([M, "hydra.sweeper.direction=minimise"], ["hydra.sweeper.direction", "minimise"]),
    ([M, "hydra.sweeper.max_failure_rate=2"], ["hydra.sweeper.max_failure_rate", "0 to 1", "got 2"]),
    ([M, "hydra.sweeper.search=optimiser.*"], ["hydra.sweeper.search", "optimiser.*", "optimizer.lr"]),
    ([M, "hydra.sweeper.study_name=../up"], ["hydra.sweeper.study_name", "../up"]),
    ([M, "hydra.sweeper.storage=sqlite:////proc/nowhere/s.db"], ["hydra.sweeper.storage", "/proc/nowhere/s.db"]),
    ([M, "hydra.sweeper.storage=sqlitee:///s.db"], ["hydra.sweeper.storage", "sqlitee"]),
    ([M, "hydra.sweeper.detach=true"], ["hydra.sweeper.detach"]),
    ([M, "hydra.launcher.timeout_min=-1"], ["hydra.launcher.timeout_min", "> 0", "-1"]),
    ([M, "hydra.launcher.slots=0"], ["hydra.launcher.slots", ">= 1"]),
    ([M, "hydra/launcher=basic", "hydra.sweeper.pruner=asha"], ["hydra.sweeper.pruner", "hydra/launcher=local"]),
    ([M, "hydra/sweeper/sampler=grid"], ["optimizer.lr", "finite", "grid"]),
    ([M, "hydra.sweep.dir=/proc/nope"], ["/proc/nope", "hydra.sweep.dir"]),
    ([M, "tracking=mlfow"], ["tracking", "mlfow"]),
    ([M, "objective=speed"], ["hydra.sweeper.direction", "speed"]),
    (["optimizer.lr=???"], ["optimizer.lr must be set", "optimizer.lr="]),
    (["optimizer.lr=-0.1"], ["optimizer.lr must be > 0", "-0.1"]),
    (["optimizer=sgd", "optimizer.momentum=1.5"], ["optimizer.momentum", "1.5"]),
    (["model.width=0"], ["model.width", "0"]),
    (["regularizer=[dropout]", "model=linear"], ["dropout", "linear"]),
    (["regularizer=[label_smoothing]", "data=diabetes"], ["label_smoothing"]),
    (["model=cnn", "data=wine"], ["model=cnn", "data=wine", "mlp"]),
    (["stage.epochs=0"], ["stage.epochs", ">= 1"]),
    (["objective=val_los"], ["objective", "val_los", "val_loss"]),
]


@pytest.mark.parametrize(("arguments", "says"), TRAIN, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_one_line_and_nothing_left(quick, tmp_path, arguments, says):
    done = quick(ROOT / "train.py", *arguments, *([] if "tracking=mlfow" in arguments else ["tracking=null"]))
    assert done.code == 1, done
    for word in says:
        assert word in done.err, (word, done)
    assert "Traceback" not in done.both, done
    assert not list(tmp_path.glob("multirun/*/study.yaml")), "a study was made"


def test_the_traceback_is_there_on_request(run):
    done = run(ROOT / "train.py", "-m", "hydra.sweeper.n_trials=0", HYDRA_FULL_ERROR="1")
    assert done.code == 1 and "Traceback" in done.err


def test_a_read_only_folder_is_one_line(run, tmp_path):
    if os.geteuid() == 0:  # root writes anywhere, except where nobody can
        folder = "/sys/sweep"
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        folder = str(tmp_path / "locked" / "s")
    done = run(
        "toy.py", "-m", "hydra/sweeper=optuna", "hydra/launcher=local", f"hydra.sweep.dir={folder}", "x=uniform(0,1)"
    )
    assert done.code == 1 and folder in done.err and "Traceback" not in done.both, done
