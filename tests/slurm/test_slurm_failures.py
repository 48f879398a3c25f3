"""Every way a job can go wrong, with and without accounting: seen within 30 s, with its true reason."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.conftest import start
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import TOY, both
from tests.study.test_failures import results, study

SEEN_WITHIN_S = 30
MODES = ["ok", "raise", "exit", "kill", "memory", "none", "hang", "wait"]


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
    sweep = start(
        *TOY, "hydra/sweeper/sampler=grid", f"mode={','.join(MODES)}", "hydra.sweeper.n_trials=8",
        "hydra.launcher.timeout_min=1", "hydra.launcher.mem_gb=0.2", cwd=tmp_path,
    )  # fmt: skip
    waiting = tmp_path / "s" / str(MODES.index("wait"))
    slurm.command("scancel", job_of(waiting))
    cancelled = time.time()
    hanging = tmp_path / "s" / str(MODES.index("hang"))
    job_of(hanging)
    begun = json.loads((hanging / "events.0.jsonl").read_text().splitlines()[0])["time"]
    out, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 1, out + err
    found = results(tmp_path / "s")
    assert found["counts"] == {"COMPLETE": 1, "PRUNED": 0, "FAIL": 7}
    reasons = {MODES[f["number"]]: f["reason"] for f in found["failed_trials"]}
    expected = {
        "raise": "RuntimeError: the weights exploded",
        "exit": "called sys.exit(3)",
        "kill": "killed by signal 9",
        "memory": "out of memory: SLURM killed it at its limit: exceeded memory limit",
        "none": "must return a number, got 'None'",
        "hang": "exceeded hydra.launcher.timeout_min=1",
        "wait": "cancelled from outside (scancel)",
    }
    assert reasons.keys() == expected.keys()
    for mode, reason in expected.items():
        assert reason in reasons[mode], (mode, reasons)
    told = {MODES[t.number]: t.datetime_complete.timestamp() for t in study(tmp_path / "s").trials}
    assert told["wait"] - cancelled < SEEN_WITHIN_S
    # SLURM looks at limits every 30 s or so, and then gives KillWait
    assert told["hang"] - begun < 60 + 30 + 5 + SEEN_WITHIN_S
    for mode in ("raise", "exit", "kill", "none"):
        folder = tmp_path / "s" / str(MODES.index(mode))
        died = max(p.stat().st_mtime for p in folder.glob("e*.0.json*"))
        assert told[mode] - died < SEEN_WITHIN_S


@both
def test_a_lost_node_is_left_for_another(slurm, tmp_path):
    sweep = start(*TOY, "mode=wait", "x=uniform(0,1)", "hydra.sweeper.n_trials=2", "steps=1", cwd=tmp_path)
    jobs = {job_of(tmp_path / "s" / str(n)): n for n in range(2)}
    lost = next((job, node) for job, node in running(slurm).items() if job in jobs)
    slurm.kill_node(lost[1])
    killed = time.time()
    folder = tmp_path / "s" / str(jobs[lost[0]])
    while not (folder / "events.1.jsonl").exists():
        assert time.time() - killed < 60
        time.sleep(0.1)
    (tmp_path / "go").touch()
    out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 0, out + err
    assert json.loads((folder / "end.0.json").read_text())["state"] == "INTERRUPTED"
    nodes = [json.loads(p.read_text().splitlines()[0])["slurm_job_id"] for p in sorted(folder.glob("events.*.jsonl"))]
    assert nodes == [lost[0]] * 2
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 2


def test_a_lost_job_is_attempted_again_as_configured(sweep, tmp_path):
    done = sweep("mode=kill", "x=uniform(0,1)", "hydra.sweeper.n_trials=2", "hydra.sweeper.retries=1")
    assert done.code == 1, done
    for number in range(2):
        attempts = sorted(p.name for p in (tmp_path / "s" / str(number)).glob("events.*.jsonl"))
        assert attempts == ["events.0.jsonl", "events.1.jsonl"]
    assert len(study(tmp_path / "s").trials) == 2
    assert "killed by signal 9 (SIGKILL); attempt 2 of 2" in done.err
