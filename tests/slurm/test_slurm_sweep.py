"""The main job on two nodes, with a real MLflow store, and what a job gets and sees."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.slurm.conftest import TOY
from tests.study.test_failures import results, study

TRAIN = ROOT / "train.py"
SLURM = ("-m", "hydra/launcher=slurm")


def test_forty_trials_on_digits_over_two_nodes(slurm, run, tmp_path):
    from mlflow.tracking import MlflowClient

    command = ("hydra.sweeper.n_trials=40", "hydra.sweeper.study_name=s", "stage.epochs=2")
    packed = "hydra.launcher.trials_per_job=10"
    done = run(TRAIN, *SLURM, *command, packed, timeout=230)
    assert done.code == 0, done
    lines = slurm.command("squeue", "-h", "-t", "all", "-o", "%F_%K %N").splitlines()  # SLURM forgets them soon
    folder = tmp_path / "multirun" / "s"
    there = ("hydra.sweep.dir=local", "stage.epochs=1", "tracking=null", "data=wine")  # draws depend on neither
    local = run(TRAIN, "-m", *command, *there, timeout=200)
    assert local.code == 0, local
    ours = [t.params for t in study(folder).trials]
    assert ours == [t.params for t in study(tmp_path / "local").trials] and len(ours) == 40
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("train").experiment_id], max_results=1000)
    children = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    assert len(children) == 40 and {r.info.status for r in runs} == {"FINISHED"}
    jobs = {r.data.tags["slurm_job_id"] for r in children}
    assert len(jobs) == 4 and all(re.fullmatch(r"\d+_\d+", job) for job in jobs)
    assert all(len(client.get_metric_history(r.info.run_id, "val_loss")) == 2 for r in children)
    assert len({line.split()[1] for line in lines if line.split()[0] in jobs}) == 2


def test_trials_side_by_side_in_one_job(sweep, tmp_path):
    done = sweep(
        "x=uniform(0,1)", "sleep=1", "hydra.sweeper.n_trials=6",
        "hydra.launcher.trials_per_job=6", "hydra.launcher.trials_at_once=3",
    )  # fmt: skip
    assert done.code == 0, done
    spans, jobs = [], set()
    for n in range(6):
        events = [json.loads(line) for line in (tmp_path / "s" / str(n) / "events.0.jsonl").read_text().splitlines()]
        spans.append((events[0]["time"], events[-1]["time"]))
        jobs.add(events[0]["slurm_job_id"])
    assert len(jobs) == 1
    at_once = max(sum(start <= t < end for start, end in spans) for t, _ in spans)
    assert at_once == 3


def test_an_option_may_ask_for_more(slurm, run, tmp_path):
    app = tmp_path / "app"
    (app / "conf" / "model").mkdir(parents=True)
    (app / "conf" / "config.yaml").write_text("defaults: [{model: small}, _self_]\n")
    (app / "conf" / "model" / "small.yaml").write_text("width: 1\n")
    (app / "conf" / "model" / "large.yaml").write_text(
        "# @package _global_\nmodel: {width: 9}\nhydra: {launcher: {timeout_min: 90, mem_gb: 0.5}}\n"
    )
    (app / "app.py").write_text(
        "import hydra\n"
        "@hydra.main(version_base='1.3', config_path='conf', config_name='config')\n"
        "def main(cfg):\n    return float(cfg.model.width)\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    done = run(app / "app.py", *TOY[1:], "hydra/sweeper/sampler=grid", "model=small,large", "hydra.sweeper.n_trials=2")
    assert done.code == 0, done
    asked = slurm.command("squeue", "-h", "-t", "all", "-O", "ArrayJobID:|,TimeLimit:|,MinMemory:|").split()
    newest = [line.split("|") for line in sorted(asked, key=lambda line: int(line.split("|")[0]))[-2:]]
    assert {limit: memory for _, limit, memory, *_ in newest} == {"1:00:00": "1000M", "1:30:00": "512M"}


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ([], ""),
        (["hydra.launcher.gpus_per_node=1"], "0"),
        (["+hydra.launcher.additional_parameters.gpus=1", "hydra.launcher.cpus_per_task=2"], "0"),
        (["hydra.launcher.gpus_per_node=1", "hydra.launcher.trials_per_job=2", "hydra.launcher.trials_at_once=2"], "0"),
    ],
)
def test_a_trial_sees_the_gpus_that_its_job_asked_for(sweep, tmp_path, asked, seen):
    done = sweep("mode=gpus", "x=uniform(0,1)", "hydra.sweeper.n_trials=2", *asked)
    assert done.code == 0, done
    for number in "01":
        assert f"CUDA_VISIBLE_DEVICES={seen!r}" in (tmp_path / "s" / number / "output.0.log").read_text()


def test_the_basic_sweeper(slurm, run, tmp_path):
    done = run("toy.py", *SLURM, "hydra/sweeper=basic", "hydra.sweep.dir=s", "x=0.1,0.2")
    assert done.code == 0, done
    assert sorted(p.parent.name for p in tmp_path.glob("s/*/events.0.jsonl")) == ["0", "1"]


def test_names_of_hydra_submitit_launcher(slurm, run, tmp_path):
    peers = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
    names = ("hydra/launcher=submitit_slurm", f"hydra.launcher._target_={peers}")
    app = tmp_path / "app.py"
    app.write_text(
        "import hydra, submitit\n"
        "@hydra.main(version_base='1.3', config_path=None)\n"
        "def main(cfg):\n"
        "    env = submitit.JobEnvironment()\n"
        "    assert (env.num_tasks, env.global_rank) == (1, 0) and env.paths.stdout.exists()\n"
        "    return cfg.x\n"
        "main()\n"
    )
    done = run(app, *TOY[1:], *names, "+x=uniform(0,1)", "hydra.sweeper.n_trials=1")
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 1


def test_dry_run_shows_the_script_and_submits_nothing(sweep, slurm, tmp_path: Path):
    """Each key is the option of sbatch that hydra-submitit-launcher makes of it."""
    before = slurm.command("squeue", "-h", "-t", "all", "-o", "%i")
    asked = {
        "partition=urgent": "--partition=urgent", "name=mine": "--job-name=mine", "timeout_min=90": "--time=90",
        "nodes=2": "--nodes=2", "cpus_per_task=2": "--cpus-per-task=2", "mem_gb=2": "--mem=2GB",
        "gres=gpu:1": "--gres=gpu:1", "array_parallelism=3": "--array=0-7%3", "signal_delay_s=40": "--signal=USR2@40",
        "setup=[module load cuda]": "\nmodule load cuda\n", "srun_args=[--overlap]": " --overlap ",
        "+additional_parameters.nice=7": "--nice=7", "python=/opt/python": " /opt/python ",
    }  # fmt: skip
    given = [f"{'+' * key.startswith('+')}hydra.launcher.{key.removeprefix('+')}" for key in asked]
    done = sweep(
        "x=uniform(0,1)", "hydra.sweeper.dry_run=true", "hydra.sweeper.n_trials=30", "hydra.launcher.trials_per_job=4",
        *given,
    )  # fmt: skip
    assert done.code == 0, done
    assert "8 job(s) of 4 trial(s)" in done.out
    assert [option for option in asked.values() if option not in done.out] == [], done.out
    after = slurm.command("squeue", "-h", "-t", "all", "-o", "%i")
    assert set(after.split()) <= set(before.split()) and list(tmp_path.iterdir()) == []  # SLURM forgets old ones
