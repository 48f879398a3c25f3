"""Every way a job can go wrong, with and without accounting: seen within 30 s, with its true reason."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.conftest import start
from tests.slurm.cluster import Cluster, throwaway
from tests.slurm.conftest import TOY, both
from tests.study.test_failures import results, study

SEEN_WITHIN_S = 30
MODES = ["ok", "raise", "exit", "kill", "memory", "none", "hang", "wait", "graceful"]


def running(cluster: Cluster) -> dict[str, str]:
    """Job id (``141_3``) → node of what runs."""
    lines = cluster.command("squeue", "-h", "-t", "R", "-o", "%F_%K %N").splitlines()
    return dict(line.split() for line in lines)


def job_of(folder: Path) -> str:
    """The job of a trial's last attempt, waiting for it to begin."""
    deadline = time.monotonic() + 60
    while True:
        for path in sorted(folder.glob("events.*.jsonl"), reverse=True):
            for event in map(json.loads, path.read_text().splitlines()):
                if event["event"] == "start":
                    return event["slurm_job_id"]
        assert time.monotonic() < deadline, f"{folder} did not begin"
        time.sleep(0.1)


@both
def test_each_kind_of_failure_is_a_trial_with_its_reason(slurm, tmp_path):
    """Memory limits are enforced by slurmd's polling (OverMemoryKill), as containers rarely have cgroups."""
    sweep = start(
        *TOY, "hydra/sweeper/sampler=grid", f"mode={','.join(MODES)}", f"hydra.sweeper.n_trials={len(MODES)}",
        "hydra.launcher.timeout_min=1", "hydra.launcher.mem_gb=0.2", cwd=tmp_path,
    )  # fmt: skip
    hanging, waiting, doomed = (tmp_path / "s" / str(MODES.index(mode)) for mode in ("hang", "wait", "graceful"))
    slurm.command("scancel", job_of(waiting))
    cancelled = time.time()
    slurm.kill_job(job_of(doomed))
    killed = time.time()
    job_of(hanging)
    begun = json.loads((hanging / "events.0.jsonl").read_text().splitlines()[0])["time"]
    out, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 1, out + err
    found = results(tmp_path / "s")
    assert found["counts"] == {"COMPLETE": 1, "PRUNED": 0, "FAIL": 8}
    reasons = {MODES[f["number"]]: f["reason"] for f in found["failed_trials"]}
    expected = {
        "raise": "RuntimeError: the weights exploded",
        "exit": "called sys.exit(3)",
        "kill": "killed by signal 9",
        "memory": "out of memory: SLURM killed it at its limit, hydra.launcher.mem_gb: exceeded memory limit",
        "none": "must return a number, got 'None'",
        "hang": "exceeded hydra.launcher.timeout_min=1",
        "wait": "cancelled from outside (scancel)",
        "graceful": "its job was killed by signal 9",
    }
    assert reasons.keys() == expected.keys()
    for mode, reason in expected.items():
        assert reason in reasons[mode], (mode, reasons)
    told = {MODES[t.number]: t.datetime_complete.timestamp() for t in study(tmp_path / "s").trials}
    assert told["wait"] - cancelled < SEEN_WITHIN_S
    assert told["graceful"] - killed < SEEN_WITHIN_S
    # SLURM looks at limits every 30 s or so, and then gives KillWait
    assert told["hang"] - begun < 60 + 30 + 5 + SEEN_WITHIN_S
    for mode in ("raise", "exit", "kill", "none"):
        folder = tmp_path / "s" / str(MODES.index(mode))
        died = max(p.stat().st_mtime for p in folder.glob("e*.0.json*"))
        assert told[mode] - died < SEEN_WITHIN_S


@both
def test_a_lost_node_is_left_for_another_or_said_and_attempted_again(slurm, tmp_path):
    requeued = start(*TOY, "mode=wait", "x=uniform(0,1)", "hydra.sweeper.n_trials=1", cwd=tmp_path)
    job = job_of(tmp_path / "s" / "0")
    node = running(slurm)[job]
    other = [word if "sweep.dir" not in word else "hydra.sweep.dir=t" for word in TOY]
    kept = ("+hydra.launcher.additional_parameters.requeue=false", "hydra.sweeper.retries=1")
    there = f"+hydra.launcher.additional_parameters.nodelist={node}"
    failed = start(*other, "mode=wait", "x=uniform(0,1)", "hydra.sweeper.n_trials=1", *kept, there, cwd=tmp_path)
    first = job_of(tmp_path / "t" / "0")
    slurm.kill_node(node)
    lost = time.time()
    again, said = tmp_path / "s" / "0" / "events.1.jsonl", tmp_path / "t" / "0" / "end.0.json"
    while not (again.exists() and said.exists()):
        assert time.time() - lost < SEEN_WITHIN_S, (again.exists(), said.exists())
        time.sleep(0.1)
    slurm.start_node(node)
    (tmp_path / "go").touch()
    for sweep in (requeued, failed):
        out, err = sweep.communicate(timeout=90)
        assert sweep.returncode == 0, out + err
    assert f"lost: its node failed on {node} (NODE_FAIL) (job {first}); attempt 2 of 2" in err
    assert json.loads((tmp_path / "s" / "0" / "end.0.json").read_text())["state"] == "INTERRUPTED"
    for folder, same in (("s", True), ("t", False)):
        jobs = [json.loads(p.read_text().splitlines()[0])["slurm_job_id"]
                for p in sorted((tmp_path / folder / "0").glob("events.*.jsonl"))]  # fmt: skip
        assert len(jobs) == 2 and (jobs[0] == jobs[1]) == same
        assert results(tmp_path / folder)["counts"]["COMPLETE"] == 1


def test_a_lost_job_is_attempted_again_as_configured(sweep, tmp_path):
    done = sweep("mode=kill", "x=uniform(0,1)", "hydra.sweeper.n_trials=2", "hydra.sweeper.retries=1")
    assert done.code == 1, done
    for number in range(2):
        attempts = sorted(p.name for p in (tmp_path / "s" / str(number)).glob("events.*.jsonl"))
        assert attempts == ["events.0.jsonl", "events.1.jsonl"]
    assert len(study(tmp_path / "s").trials) == 2
    assert "killed by signal 9 (SIGKILL); attempt 2 of 2" in done.err


def test_trials_that_waited_in_a_job_that_died_run_in_another(slurm, tmp_path):
    sweep = start(
        *TOY, "mode=wait", "x=uniform(0,1)", "hydra.sweeper.n_trials=3", "hydra.launcher.trials_per_job=3", cwd=tmp_path
    )
    slurm.kill_job(job_of(tmp_path / "s" / "0"))
    (tmp_path / "go").touch()
    out, err = sweep.communicate(timeout=90)
    assert sweep.returncode == 1 and "trial 0000 FAIL its job was killed by signal 9" in err, out + err
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 2, "PRUNED": 0, "FAIL": 1}


def test_a_job_that_slurm_requeued_after_its_trial_and_cannot_start_is_cancelled(run, tmp_path):
    """As a node that is lost in a job's last moments does, and then a prolog that fails."""
    prolog, broken = tmp_path / "prolog", tmp_path / "broken"
    prolog.write_text(f"#!/bin/sh\n[ ! -e '{broken}' ]\n")
    prolog.chmod(0o755)
    with throwaway(Prolog=prolog) as cluster:
        sweep = (*TOY, "x=uniform(0,1)", "hydra.sweeper.n_trials=1")
        assert run(*sweep, **cluster.env).code == 0
        broken.touch()
        job = job_of(tmp_path / "s" / "0")
        cluster.command("scontrol", "requeue", job)
        deadline = time.monotonic() + 30
        while (said := cluster.command("squeue", "-h", "-o", "%T %r").strip()) != "PENDING launch failed requeued held":
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        assert run(*sweep, **cluster.env).code == 0
        while cluster.command("squeue", "-h").strip():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert len(list((tmp_path / "s" / "0").glob("events.*"))) == 1
