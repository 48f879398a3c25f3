"""The main job as a person runs it: `python train.py -m`, on real data, with a real MLflow store."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import optuna
import pytest
import yaml
from hydra import compose, initialize_config_dir

from tests.conftest import ROOT, processes_with, small_disk, start
from tests.study.test_failures import results, study

TRAIN = ROOT / "train.py"


@pytest.fixture
def store(tmp_path: Path):
    from mlflow.tracking import MlflowClient

    return lambda: MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


def runs_of(client) -> tuple[list, list]:
    """The parents and the children of the experiment `train`."""
    experiment = client.get_experiment_by_name("train")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    children = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    return [r for r in runs if r not in children], children


def test_fifty_trials_on_digits(run, tmp_path, store):
    done = run(TRAIN, "-m", "hydra.sweeper.study_name=first", timeout=200)
    assert done.code == 0, done
    folder = tmp_path / "multirun" / "first"
    client = store()
    (parent,), children = runs_of(client)
    assert len(children) == 50
    assert {r.info.status for r in children} <= {"FINISHED", "KILLED"} and parent.info.status == "FINISHED"
    assert {r.data.tags["mlflow.parentRunId"] for r in children} == {parent.info.run_id}
    for child in children:
        assert {"optimizer.lr", "model.width", "data._target_", "stage.epochs"} <= child.data.params.keys()
        assert len(child.data.tags["mlflow.source.git.commit"]) == 40
        assert "config.yaml" in [f.path for f in client.list_artifacts(child.info.run_id)]
        assert child.info.run_name.startswith(f"{int(child.data.tags['sweeper.trial']):04d} ")
    history = client.get_metric_history(children[0].info.run_id, "val_loss")
    assert [m.step for m in history] == list(range(1, 11))
    assert all(children[0].info.start_time <= m.timestamp <= children[0].info.end_time for m in history)
    assert max(r.data.metrics["val_accuracy"] for r in children) >= 0.97
    plots = {Path(f.path).stem for f in client.list_artifacts(parent.info.run_id, "plots")}
    assert plots == {"history", "parallel_coordinate", "slice", "param_importances"}
    found = results(folder)
    assert found["best_trials"][0]["mlflow_run_id"] in {r.info.run_id for r in children}
    assert found["counts"]["COMPLETE"] == 50 and len(study(folder).trials) == 50
    assert found["best_trials"][0]["command"] in done.out
    assert processes_with(str(tmp_path)) == []


@pytest.mark.long
def test_ten_kills_leave_no_run_running(run, tmp_path, store):
    command = (TRAIN, "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=20", "stage.checkpoint_every_s=0")
    moments = random.Random(2)
    for _ in range(10):
        process = start(*command, cwd=tmp_path)
        time.sleep(moments.uniform(1, 7))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = run(*command)
    assert done.code == 0, done
    parents, children = runs_of(store())
    assert len(parents) == 1 and len(children) == 20
    assert {r.info.status for r in [*parents, *children]} == {"FINISHED"}
    for child in children:  # an interrupted trial went on from its checkpoint: each epoch is there, once
        steps = [m.step for m in store().get_metric_history(child.info.run_id, "val_loss")]
        assert sorted(steps) == list(range(1, 11))
    deadline = time.monotonic() + 10
    while processes_with(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_with(str(tmp_path)) == []


def test_conditional_spaces_and_configs_as_hydra_composes_them(run, tmp_path):
    command = (TRAIN, "-m", "optimizer=adam,sgd", "model=mlp,linear", "data=wine", "stage.epochs=1", "tracking=null")
    done = run(*command, "hydra.sweeper.n_trials=16", "hydra.sweeper.study_name=s")
    assert done.code == 0, done
    folder = tmp_path / "multirun" / "s"
    trials = study(folder).trials
    assert {t.params["optimizer"] for t in trials} == {"adam", "sgd"}
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for trial in trials:
            assert ("optimizer.momentum" in trial.params) == (trial.params["optimizer"] == "sgd")
            kept = folder / f"{trial.number:04d}" / ".hydra"
            overrides = yaml.safe_load((kept / "overrides.yaml").read_text())
            from omegaconf import OmegaConf

            ours = OmegaConf.load(kept / "config.yaml")
            assert OmegaConf.to_container(ours) == OmegaConf.to_container(compose("config", overrides))


def test_a_pruner_stops_hopeless_trials(run, tmp_path, store):
    pruned = "hydra.sweeper.pruner={name: median, n_startup_trials: 3, n_warmup_steps: 2}"
    done = run(
        TRAIN, "-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=14", pruned, "stage.epochs=400",
        "optimizer.lr=loguniform(1e-6,1e-2)", "data=wine", timeout=200,
    )  # fmt: skip
    assert done.code == 0, done
    folder = tmp_path / "multirun" / "s"
    trials = study(folder).trials
    hopeless = [t for t in trials if t.state == optuna.trial.TrialState.PRUNED]
    assert hopeless and len(hopeless) < len(trials)
    _, children = runs_of(store())
    killed = {int(r.data.tags["sweeper.trial"]) for r in children if r.info.status == "KILLED"}
    assert killed == {t.number for t in hopeless}
    for trial in hopeless:
        lines = (folder / f"{trial.number:04d}" / "events.0.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["state"] == "PRUNED" and len(lines) < 400  # stopped in the middle


def test_a_single_run_is_tracked_and_resumes(run, tmp_path, store):
    done = run(TRAIN, "stage.epochs=3", "hydra.run.dir=out")
    assert done.code == 0, done
    (single,), children = runs_of(store())
    assert (
        children == [] and single.info.status == "FINISHED" and single.data.params["model._target_"] == "models.mlp.MLP"
    )
    assert len(store().get_metric_history(single.info.run_id, "val_loss")) == 3


def test_verdicts_are_tags_metrics_and_files_of_their_run(run, tmp_path, store):
    done = run(TRAIN, "stage=inspect", "data=wine", "hydra.run.dir=inspect")
    assert done.code == 0, done
    done = run(TRAIN, "stage=check", "model=linear", "data=wine", "optimizer.lr=1e-7", "hydra.run.dir=check")
    assert done.code == 1 and "FAIL learning_rate" in done.out, done
    runs, _ = runs_of(store())
    checked, inspected = ([r for r in runs if name in r.data.tags] for name in ("check", "inspect"))
    assert [r.info.status for r in checked + inspected] == ["FAILED", "FINISHED"]
    tags, metrics = checked[0].data.tags, checked[0].data.metrics
    assert tags["check"] == "fail: learning_rate" and tags["check.labels_aligned"].startswith("pass: a simple model")
    assert metrics["check.learning_rate"] == 0 and metrics["check.labels_aligned"] == 1 and metrics["check.failed"] == 1
    assert metrics["check.learning_rate.update_ratio"] < 1e-5
    files = {f.path for f in store().list_artifacts(checked[0].info.run_id)}
    assert {"check.html", "check.json"} <= files
    said = inspected[0].data.tags
    assert said["inspect.no_exact_duplicates"].startswith("pass: 0 examples")
    assert inspected[0].data.metrics["inspect.no_exact_duplicates.examples"] == 0
    files = {f.path for f in store().list_artifacts(inspected[0].info.run_id)}
    assert {"inspect.html", "inspect.json", "examples.parquet"} <= files


def test_mlflow_environment_is_honoured(run, tmp_path):
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/else where.db"
    done = run(TRAIN, "stage.epochs=1", MLFLOW_TRACKING_URI=uri, MLFLOW_EXPERIMENT_NAME="mine")
    assert done.code == 0, done
    client = MlflowClient(uri)
    assert len(client.search_runs([client.get_experiment_by_name("mine").experiment_id])) == 1
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [("hydra/sweeper=basic", "optimizer.lr=1e-3,1e-2"), ("hydra/sweeper=basic", "hydra/launcher=basic", "seed=1,2")],
)
def test_hydras_own_grid_still_works(run, tmp_path, arguments):
    done = run(TRAIN, "-m", *arguments, "stage.epochs=1", "tracking=null")
    assert done.code == 0, done
    assert len(list(tmp_path.glob("multirun/*/000?/events.0.jsonl"))) == 2
    assert all(f"#{n} : {arguments[-1].partition('=')[0]}=" in done.both for n in (0, 1)), done


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_loses_nothing(run, tmp_path):
    with small_disk(tmp_path / "disk", 400) as disk:
        command = ("toy.py", "-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.tracking=null")
        command = (*command, "hydra.sweep.dir=s", "x=uniform(0,1)", "steps=300", "hydra.sweeper.n_trials=40")
        done = run(*command, cwd=disk)
        assert done.code != 0 and "Traceback" not in done.err, done
        assert "space" in done.both, done
        before = {t.number: t.value for t in study(disk / "s").trials if t.state.name == "COMPLETE"}
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        done = run(*command, cwd=disk)
        assert done.code == 0, done
        after = {t.number: t.value for t in study(disk / "s").trials if t.state.name == "COMPLETE"}
        assert len(after) == 40 and before.items() <= after.items()
