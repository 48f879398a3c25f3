"""Trials of several processes, on one node and on two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.slurm.conftest import TOY
from tests.slurm.test_slurm_survives import events
from tests.study.test_failures import results, study

TRAIN = ROOT / "train.py"


def curve(folder: Path) -> dict[int, dict[str, float]]:
    (lines,) = events(folder).values()
    return {e["step"]: e["values"] for e in lines if e["event"] == "metrics"}


def test_two_nodes_train_one_network_as_one_process_does(slurm, run, tmp_path):
    from mlflow.tracking import MlflowClient

    acting = "regularizer=[weight_decay,label_smoothing,noise,early_stopping]"
    acts = "regularizer.early_stopping.patience=2"
    command = ("-m", acting, acts, "stage.epochs=4", "stage.checkpoint_every_s=0", "hydra.sweeper.n_trials=2")
    several = ("hydra/launcher=slurm", "hydra.launcher.nodes=2", "hydra.launcher.trials_per_job=2")
    done = run(TRAIN, *command, *several, "hydra.sweeper.study_name=two", timeout=200)
    assert done.code == 0, done
    alone = run(TRAIN, *command, "hydra.sweeper.study_name=one", "tracking=null")
    assert alone.code == 0, alone
    for trial in ("0000", "0001"):
        two, one = (tmp_path / "multirun" / name / trial for name in ("two", "one"))
        assert curve(two).keys() == curve(one).keys() == {1, 2, 3, 4}
        for step, values in curve(one).items():
            assert curve(two)[step] == pytest.approx(values, rel=1e-5)  # sums in another order
        assert "GLOBAL_RANK: 1, MEMBER: 2/2" in (two / "output.0.rank1.log").read_text()
        assert {p.name for p in two.glob("checkpoint*")} == {"checkpoint.pt"}
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("train").experiment_id])
    assert len([r for r in runs if "mlflow.parentRunId" in r.data.tags]) == 2


def test_an_outside_app_finds_its_ranks_and_rank_0_records(slurm, run, tmp_path):
    modes = ["ok", "raise", "kill", "hang"]
    command = [word if word != "toy.py" else "ranks.py" for word in TOY]
    done = run(
        *command, "hydra/sweeper/sampler=grid", f"mode={','.join(modes)}",
        "hydra.launcher.tasks_per_node=2", "hydra.launcher.trials_per_job=4", "hydra.launcher.preload=[torch]",
        "hydra.sweeper.n_trials=4", timeout=200,
    )  # fmt: skip
    assert done.code == 1, done
    folder = tmp_path / "s"
    assert study(folder).trials[0].value == 3.0
    assert results(folder)["counts"] == {"COMPLETE": 1, "PRUNED": 0, "FAIL": 3}
    reasons = {modes[f["number"]]: f["reason"] for f in results(folder)["failed_trials"]}
    assert reasons == {
        "raise": "rank 1: RuntimeError: the weights exploded",
        "kill": "rank 1: killed by signal 9 (SIGKILL)",
        "hang": "rank 1: RuntimeError: its half is missing",
    }
    for number in range(4):
        trial = folder / str(number)
        nodes = [(trial / f"seen.{rank}").read_text() for rank in range(2)]
        assert len(set(nodes)) == 1
        (lines,) = events(trial).values()
        assert [e["values"] for e in lines if e["event"] == "metrics"] == [{"rank": 0.0}]
        assert json.loads((trial / "events.0.jsonl").read_text().splitlines()[0])["slurm_job_id"]
