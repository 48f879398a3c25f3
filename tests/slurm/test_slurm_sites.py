"""Sites differ: SLURM's commands say more, or fail; squeue is older; a sweep is itself a job."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import APPS, environment, processes_with, start
from tests.slurm.conftest import TOY
from tests.slurm.test_slurm_failures import job_of
from tests.slurm.test_slurm_survives import events, sweeper, until
from tests.study.test_failures import results

SBATCH = """#!/bin/sh
echo Welcome to the throwaway cluster
said=$({real} "$@") || exit
echo "$said;throwaway"
echo 3 % of your hours are used
"""
SQUEUE = """#!/bin/sh
case " $* " in *" --me "*) echo "squeue: unrecognized option '--me'" >&2; exit 1;; esac
{real} "$@" || exit
printf 'maintenance on Friday\\nx\\ty\\tz\\n141\\t0\\tFAILED\\tunknown\\n\\n'
"""
SRUN = """#!/bin/sh
if [ -n "$SLURM_JOB_ID" ]; then echo "srun: error: not inside a job" >&2; exit 1; fi
exec {real} "$@"
"""
SCANCEL = """#!/bin/sh
echo "scancel: error: Kill job error on job id $2: Access/permission denied" >&2; exit 1
"""


def wrapped(folder: Path, **wrappers: str) -> str:
    """A PATH that begins with a site's wrappers."""
    folder.mkdir()
    for name, text in wrappers.items():
        (folder / name).write_text(text.format(real=shutil.which(name)))
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_wrappers_that_say_more_and_nothing_that_others_may_read(slurm, run, tmp_path):
    there = "+hydra.launcher.additional_parameters.nodelist=n2"
    path = wrapped(tmp_path / "bin", sbatch=SBATCH, squeue=SQUEUE)
    done = run(*TOY, "x=uniform(0,1)", "hydra.sweeper.n_trials=2", there, PATH=path)
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 2
    told = [*tmp_path.glob("s/.submitit/*.json"), *tmp_path.glob("s/.submitit/*.pickle")]
    assert len(told) >= 2 and {path.stat().st_mode & 0o077 for path in told} == {0}  # command lines may hold passwords
    tried = slurm.command("squeue", "-h", "-t", "all", "-n", "sweeper-preflight", "-S", "i", "-o", "%N").split()
    assert tried[-1] == "n2"


def test_a_scancel_that_fails_in_mid_sweep_and_in_cancel(slurm, run, tmp_path):
    path = wrapped(tmp_path / "bin", scancel=SCANCEL)
    command = (*TOY, "hydra/sweeper/sampler=grid", "mode=raise,stubborn", "hydra.sweeper.n_trials=2")
    sweep = start(*command, "hydra.sweeper.max_failure_rate=0", cwd=tmp_path, PATH=path)
    job = job_of(tmp_path / "s" / "1")
    out, err = sweep.communicate(timeout=60)
    said = [line for line in err.splitlines() if "scancel" in line]
    assert sweep.returncode == 1 and "Traceback" not in err and len(said) == 1, out + err
    assert "1 job(s) run on" in said[0] and said[0].endswith("end them by: python -m sweeper cancel s"), said
    cancel = start("-m", "sweeper", "cancel", "s", cwd=tmp_path, PATH=path)
    out, err = cancel.communicate(timeout=60)
    assert cancel.returncode != 0 and err.count("\n") == 1 and "permission denied" in err, out + err
    assert job in slurm.command("squeue", "-h", "-t", "R", "-o", "%F_%K")
    again = (*command, "hydra.sweeper.max_failure_rate=1")
    resumed = start(*again, "hydra.sweeper.detach=true", cwd=tmp_path)  # nothing beside the living job
    out, err = resumed.communicate(timeout=60)
    assert resumed.returncode == 0 and "1 trial(s) queued or running" in out + err, out + err
    assert slurm.command("squeue", "-h", "-r", "-t", "PD,R", "-o", "%F_%K").split() == [job]
    cancelled = sweeper("cancel", "s", cwd=tmp_path)
    assert "1 job(s) cancelled, 1 trial(s) left to resume" in cancelled.stdout, cancelled
    first = events(tmp_path / "s" / "1")[0][0]
    resumed = start(*again, cwd=tmp_path)  # at once, while the job still ends
    until(lambda: events(tmp_path / "s" / "1").get(1), 60)
    assert first["pid"] not in processes_with(str(tmp_path))
    (tmp_path / "go").touch()
    out, err = resumed.communicate(timeout=60)
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 1, "PRUNED": 0, "FAIL": 1}, out + err
    attempts = events(tmp_path / "s" / "1")
    assert set(attempts) == {0, 1} and attempts[1][-1]["state"] == "COMPLETE"


def test_no_srun_inside_jobs(slurm, tmp_path):
    path = wrapped(tmp_path / "bin", srun=SRUN)
    keys = ("hydra.launcher.use_srun=false", "hydra.launcher.max_num_timeout=1", "hydra.launcher.gpus_per_node=1")
    sweep = start(*TOY, "x=uniform(0,1)", "mode=wait", "hydra.sweeper.n_trials=1", *keys, cwd=tmp_path, PATH=path)
    trial = tmp_path / "s" / "0"
    job = job_of(trial)
    slurm.command("scancel", "--batch", "--signal=USR2", job)  # as SLURM warns of the end of its time
    until(lambda: events(trial).get(1), 60)
    (tmp_path / "go").touch()
    out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 0, out + err
    assert [lines[-1]["state"] for lines in events(trial).values()] == ["INTERRUPTED", "COMPLETE"]
    assert "srun" not in (tmp_path / "s" / ".submitit" / f"{job}_0_log.err").read_text()


def test_a_sweep_in_a_job_hands_nothing_of_it_to_its_own_jobs(slurm, tmp_path):
    command = [
        sys.executable,
        str(APPS / "toy.py"),
        *TOY[1:],
        "x=uniform(0,1)",
        "mode=gpus",
        "hydra.sweeper.n_trials=1",
    ]
    done = subprocess.run(
        ["srun", "--cpus-per-task=2", "--mem-per-cpu=500", "--gres=gpu:1", *command, "hydra.launcher.mem_gb=1"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "no node was free" not in done.stderr, done
    output = (tmp_path / "s" / "0" / "output.0.log").read_text()
    assert "CUDA_VISIBLE_DEVICES=''" in output and "SLURM_CPUS_PER_TASK=None" in output, output
