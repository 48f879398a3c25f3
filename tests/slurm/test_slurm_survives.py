"""What a trial outlives: preemption, the loss of its node, the end of its time, a copy of itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sweeper.folder import Attempt, attempts, claim, read_attempt
from tests.conftest import ROOT, environment, start
from tests.slurm.conftest import TOY
from tests.slurm.test_slurm_failures import job_of, running
from tests.study.test_failures import study

TRAIN = ROOT / "train.py"
SPACE = ("x=uniform(0,1)", "y=loguniform(1e-3,1)")


def sweeper(*arguments: str, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sweeper", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )


def events(folder: Path) -> dict[int, list[dict]]:
    return {
        int(path.name.split(".")[1]): [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("events.*.jsonl"))
    }


def until(condition, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def queue_is_empty(cluster) -> bool:
    return not cluster.command("squeue", "-h").strip()


def curves(trial: Path) -> dict[int, dict[int, dict[str, float]]]:
    """What each attempt reported, by step."""
    found = events(trial).items()
    return {n: {e["step"]: e["values"] for e in lines if e["event"] == "metrics"} for n, lines in found}


def the_run(folder: Path) -> tuple[str, list[tuple[int, float]]]:
    """State and (step, val_loss) of the only child run in MLflow."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("train").experiment_id])
    (child,) = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    history = client.get_metric_history(child.info.run_id, "val_loss")
    return child.info.status, sorted((m.step, m.value) for m in history)


def test_preemption_the_end_of_time_and_a_lost_node_go_on_from_the_last_checkpoint(slurm, tmp_path):
    fixed = ("model.width=64", "model.depth=1", "optimizer.lr=1e-3", "stage.checkpoint_every_s=0")
    command = ("-m", *fixed, "stage.epochs=300", "hydra.sweeper.n_trials=1")
    ours = ("hydra/launcher=slurm", "hydra.launcher.max_num_timeout=1", "hydra.sweeper.study_name=s")
    sweep = start(TRAIN, *command, *ours, cwd=tmp_path)
    undisturbed = start(TRAIN, *command, "hydra.sweeper.study_name=t", "tracking=null", cwd=tmp_path)
    trial = tmp_path / "multirun" / "s" / "0000"
    until(lambda: len(events(trial).get(0, [])) > 10, 120)
    slurm.command("srun", "-p", "urgent", "-N2", "--exclusive", "sleep", "1", timeout=120)
    until(lambda: len(events(trial).get(1, [])) > 10, 120)
    job = events(trial)[1][0]["slurm_job_id"]
    slurm.command("scancel", "--signal=USR2", job)  # as SLURM warns of the end of its time
    until(lambda: len(events(trial).get(2, [])) > 10, 120)
    slurm.kill_node(running(slurm)[job])
    for process in (sweep, undisturbed):
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, out + err
    found = curves(trial)
    assert set(found) == {0, 1, 2, 3}
    for n in (1, 2, 3):  # within a checkpoint interval, here an epoch
        assert max(found[n - 1]) <= min(found[n]) <= max(found[n - 1]) + 1
    (expected,) = curves(tmp_path / "multirun" / "t" / "0000").values()
    assert {**found[0], **found[1], **found[2], **found[3]} == expected
    assert the_run(tmp_path) == ("FINISHED", [(step, expected[step]["val_loss"]) for step in sorted(expected)])


def test_a_zombie_of_a_requeued_job_shares_no_file_with_its_successor(slurm, tmp_path):
    sweep = start(*TOY, "x=uniform(0,1)", "mode=steady", "hydra.sweeper.n_trials=1", cwd=tmp_path)
    trial = tmp_path / "s" / "0"
    job = job_of(trial)
    node = running(slurm)[job]
    slurm.kill_slurmd(node)
    slurm.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")  # as after SlurmdTimeout
    until(lambda: len(events(trial).get(1, [])) > 2, 60)
    until(lambda: events(trial)[0][-1]["event"] == "end", 30)  # it notices that its place was taken
    first = (trial / "events.0.jsonl").read_bytes()
    (tmp_path / "go").touch()
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, out + err
    found = events(trial)
    assert set(found) == {0, 1} and (trial / "events.0.jsonl").read_bytes() == first
    assert (trial / "toy.log").exists() and (trial / "toy.1.log").exists()
    assert found[0][-1]["state"] == "INTERRUPTED" and found[1][-1]["state"] == "COMPLETE"
    for n, lines in found.items():
        assert {e["attempt"] for e in lines if e["event"] == "start"} == {n}
    assert [t.state.name for t in study(tmp_path / "s").trials] == ["COMPLETE"]


SLOW_START = """
import os, pathlib, time, hydra
folder = pathlib.Path(__file__).parent
if "SLURM_JOB_ID" in os.environ:
    (folder / "starting").touch()
    while not (folder / "go").exists():
        time.sleep(0.05)

@hydra.main(version_base=None)
def main(cfg):
    (folder / "began").touch()
    while not (folder / "over").exists():
        time.sleep(0.05)
    if cfg.fails:
        raise RuntimeError("its node is out of touch")
    return cfg.x

main()
"""


def starting(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    """A sweep of one trial, whose job has looked what there is to do and is about to begin."""
    app = folder / "app.py"
    app.write_text(SLOW_START)
    sweep = start(app, *TOY[1:], "+x=choice(3)", *overrides, "hydra.sweeper.n_trials=1", cwd=folder)
    until((folder / "starting").exists)
    return sweep


def test_a_trial_that_ended_while_its_second_job_starts_is_not_run_again(slurm, tmp_path):
    (tmp_path / "over").touch()
    sweep = starting(tmp_path, "+fails=false")
    first = Attempt(tmp_path / "s" / "0", 0)  # that of a job that SLURM ran too
    first.start(number=0, overrides=["+x=3", "+fails=false"], config={})
    first.end("COMPLETE", [7.0])
    (tmp_path / "go").touch()
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, out + err
    assert attempts(tmp_path / "s" / "0") == [0] and not (tmp_path / "began").exists()
    assert [t.values for t in study(tmp_path / "s").trials] == [[7.0]]


@pytest.mark.parametrize("fails", ["true", "false"])
def test_an_attempt_that_reports_nothing_leaves_the_end_to_its_successor(slurm, tmp_path, fails):
    sweep = starting(tmp_path, f"+fails={fails}")
    (tmp_path / "go").touch()
    until((tmp_path / "began").exists)
    trial = tmp_path / "s" / "0"
    assert claim(trial) == 1  # its node was thought lost, and a second job has begun
    (tmp_path / "over").touch()
    until(lambda: read_attempt(trial, 0).end is not None)
    assert read_attempt(trial, 0).end.state == "INTERRUPTED"
    assert not study(tmp_path / "s").trials[0].state.is_finished()
    second = Attempt(trial, 1)
    second.start(number=0, overrides=["+x=3", f"+fails={fails}"], config={})
    second.end("COMPLETE", [7.0])
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, out + err
    assert [t.values for t in study(tmp_path / "s").trials] == [[7.0]]


def test_time_that_is_up_goes_on_in_a_fresh_job(slurm, tmp_path):
    sweep = start(
        *TOY, "x=uniform(0,1)", "mode=wait", "hydra.sweeper.n_trials=1", "hydra.launcher.timeout_min=1",
        "hydra.launcher.signal_delay_s=50", "hydra.launcher.max_num_timeout=1", cwd=tmp_path,
    )  # fmt: skip
    trial = tmp_path / "s" / "0"
    until(lambda: events(trial).get(1), 150)  # SLURM looks at limits every 30 s or so
    (tmp_path / "go").touch()
    out, err = sweep.communicate(timeout=90)
    assert sweep.returncode == 0, out + err
    found = events(trial)
    assert set(found) == {0, 1}
    assert [lines[-1]["state"] for lines in found.values()] == ["INTERRUPTED", "COMPLETE"]
    assert len({lines[0]["slurm_job_id"] for lines in found.values()}) == 1
