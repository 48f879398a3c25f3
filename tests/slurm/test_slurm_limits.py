"""A site's limits, and what is asked wrongly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

from tests.conftest import APPS, ROOT, environment
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import TOY
from tests.slurm.test_slurm_survives import queue_is_empty, sweeper, until
from tests.study.test_failures import results

SPACE = "x=uniform(0,1)"


def submitted(cluster: Cluster) -> list[str]:
    """All jobs that SLURM knows, but for looks from a node."""
    lines = cluster.command("squeue", "-h", "-t", "all", "-o", "%i %j").splitlines()
    return [line for line in lines if not line.endswith(" sweeper-preflight")]


@pytest.mark.parametrize("cluster", ["accounting"], indirect=True)
def test_a_cap_on_submitted_jobs(sweep, slurm, tmp_path):
    slurm.command("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=10")
    try:
        done = sweep(SPACE, "hydra.sweeper.n_trials=200", "hydra.launcher.trials_per_job=8", timeout=230)
    finally:
        slurm.command("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=-1")
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 200


@pytest.mark.parametrize("cluster", ["accounting"], indirect=True)
def test_collect_submits_what_a_cap_held_back(sweep, slurm, run, tmp_path):
    slurm.command("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=2")
    try:
        done = sweep(SPACE, "hydra.sweeper.n_trials=4", "hydra.sweeper.detach=true")
        assert done.code == 0 and "2 trial(s) queued or running, 2 not submitted yet" in done.out, done
        for _ in range(2):
            until(lambda: queue_is_empty(slurm))
            said = sweeper("collect", "s", cwd=tmp_path)
            assert said.returncode == 0, said
    finally:
        slurm.command("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=-1")
    until(lambda: queue_is_empty(slurm))
    assert sweeper("collect", "s", cwd=tmp_path).returncode == 0
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 4


def test_small_arrays_and_one_squeue_a_second_for_all_jobs(sweep, slurm, tmp_path):
    counted = tmp_path / "bin" / "squeue"
    counted.parent.mkdir()
    counted.write_text(f'#!/bin/sh\necho >>"{tmp_path}/calls"\nexec {shutil.which("squeue")} "$@"\n')
    counted.chmod(0o755)
    slurm.configure(MaxArraySize=20)
    began = time.monotonic()
    try:
        done = sweep(
            SPACE, "hydra.sweeper.n_trials=200", "hydra.launcher.trials_per_job=8", timeout=230,
            PATH=f"{counted.parent}:{os.environ['PATH']}",
        )  # fmt: skip
    finally:
        slurm.configure(MaxArraySize=10001)
    assert done.code == 0, done
    calls = (tmp_path / "calls").read_text().count("\n")
    assert 0 < calls <= 1 + time.monotonic() - began  # 25 jobs, each of which a call could ask for
    assert len((tmp_path / "s" / ".submitit" / "submissions.jsonl").read_text().splitlines()) > 1  # arrays
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("hydra.launcher.partition=nope", "invalid partition specified: nope"),
        ("hydra.launcher.mem_gb=1000", "Requested node configuration is not available"),
        ("hydra.launcher.timout_min=3", "did you mean 'timeout_min'?"),
        (
            "hydra.launcher.cpus_per_gpu=2",
            "hydra.launcher.cpus_per_gpu has no effect without gpus_per_node, gpus_per_task or gres",
        ),
        ("hydra.launcher.trials_at_once=2", "hydra.launcher.trials_at_once must be <= trials_per_job=1"),
        ("hydra.launcher.python=/opt/nope/python", "hydra.launcher.python must be an interpreter that the nodes have"),
        ("hydra.sweep.dir=/proc/nowhere", "must be a folder that can be written"),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing(sweep, slurm, tmp_path, wrong, said):
    before = submitted(slurm)
    wrong = f"+{wrong}" if "timout" in wrong else wrong
    done = sweep(SPACE, wrong)
    assert done.code == 1 and said in done.err and "Traceback" not in done.err, done
    assert list(tmp_path.iterdir()) == []
    assert submitted(slurm) == before


def test_nodes_that_are_down_are_waited_for(sweep, slurm, tmp_path):
    slurm.command("scontrol", "update", "NodeName=n1,n2", "State=DRAIN", "Reason=maintenance")
    done = sweep(SPACE, "hydra.sweeper.n_trials=1", "hydra.sweeper.detach=true")
    assert done.code == 0 and "no node can run such a job now" in done.err, done
    assert len(slurm.command("squeue", "-h", "-o", "%i").split()) == 1
    slurm.command("scontrol", "update", "NodeName=n1,n2", "State=RESUME")
    until(lambda: queue_is_empty(slurm))
    assert sweeper("collect", "s", cwd=tmp_path).returncode == 0
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 1


def test_a_folder_that_nodes_do_not_share(sweep, slurm, tmp_path):
    """The sweep runs where something else is mounted over its folder, as a login node's own /tmp."""
    before = submitted(slurm)
    own = tmp_path / "own"
    own.mkdir()
    script = f'mount -t tmpfs none {own} && exec "$0" "$@"'
    command = [sys.executable, str(APPS / "toy.py"), *TOY[1:], "hydra.sweep.dir=own/s", SPACE]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, *command], cwd=tmp_path, env=environment(), capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "must be a folder that the nodes can write" in done.stderr and "Traceback" not in done.stderr, done
    assert list(own.iterdir()) == []
    assert submitted(slurm) == before


def test_without_sbatch(sweep, tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    os.symlink(shutil.which("git"), bare / "git")
    done = sweep(SPACE, PATH=str(bare))
    assert done.code == 1 and "needs sbatch and srun on the path" in done.err, done
    assert [p.name for p in tmp_path.iterdir()] == ["bin"]


def test_what_does_not_build_is_said_before_anything_is_submitted(slurm, run, tmp_path):
    before = submitted(slurm)
    wrong = "regularizer=[],[dropout]"  # dropout finds nowhere to act in a linear model
    done = run(ROOT / "train.py", "-m", "hydra/launcher=slurm", "model=linear", wrong, "tracking=null")
    assert done.code == 1 and "dropout" in done.err and "nothing was submitted" in done.err, done
    assert "Traceback" not in done.err and list(tmp_path.iterdir()) == []
    assert submitted(slurm) == before
