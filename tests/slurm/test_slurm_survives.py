"""What a sweep outlives: its orchestrator, its controller, preemption, edits of its code."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT, environment, start
from tests.slurm.conftest import TOY
from tests.slurm.test_slurm_failures import job_of, running
from tests.study.test_failures import results, study

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


def test_kill_9_of_the_orchestrator_at_ten_random_moments(slurm, run, tmp_path):
    command = (*TOY, *SPACE, "sleep=0.5", "hydra.sweeper.n_trials=16")
    moments = random.Random(7)
    for _ in range(10):
        process = start(*command, cwd=tmp_path)
        time.sleep(moments.uniform(0.8, 4.0))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = run(*command)
    assert done.code == 0, done
    trials = study(tmp_path / "s").trials
    assert [t.number for t in trials] == list(range(16)) and {t.state.name for t in trials} == {"COMPLETE"}
    for trial in trials:
        attempts = events(tmp_path / "s" / str(trial.number))
        ends = [e["values"][0] for lines in attempts.values() for e in lines if e["event"] == "end"]
        assert ends == [trial.value]  # adopted where it lived on: no trial ran twice


def test_detach_and_collect(slurm, run, tmp_path):
    done = run(*TOY, *SPACE, "sleep=1", "hydra.sweeper.n_trials=5", "hydra.sweeper.detach=true")
    assert done.code == 0 and "collect" in done.out, done
    assert study(tmp_path / "s").trials[0].state.name == "RUNNING"
    said = sweeper("status", "s", cwd=tmp_path)
    assert "0 of 5 trials have ended" in said.stdout and "job(s)" in said.stdout, said
    until(lambda: queue_is_empty(slurm))
    both = [
        subprocess.Popen([sys.executable, "-m", "sweeper", "collect", "s"], cwd=tmp_path, env=environment())
        for _ in range(2)
    ]
    assert [p.wait(timeout=60) for p in both] == [0, 0]
    trials = study(tmp_path / "s").trials
    assert len(trials) == 5 and {t.state.name for t in trials} == {"COMPLETE"}
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 5
    assert "5 of 5 trials have ended: 5 complete" in sweeper("status", "s", cwd=tmp_path).stdout


def test_detach_is_refused_where_trials_must_be_watched(slurm, run, tmp_path):
    for watched in ("hydra.sweeper.pruner=median", "hydra/sweeper/sampler=tpe"):
        done = run(*TOY, *SPACE, watched, "hydra.sweeper.detach=true", "hydra.sweeper.n_jobs=2")
        assert done.code == 1 and "hydra.sweeper.detach must be false" in done.err, done
    assert list(tmp_path.iterdir()) == []


def test_cancel_leaves_it_resumable_and_retry_repeats_what_failed(slurm, run, tmp_path):
    command = (*TOY, "x=uniform(0,1)", "mode=wait", "hydra.sweeper.n_trials=3", "hydra.sweeper.detach=true")
    assert run(*command).code == 0
    job_of(tmp_path / "s" / "0")
    said = sweeper("cancel", "s", cwd=tmp_path)
    assert "3 job(s) cancelled, 3 trial(s) left" in said.stdout, said
    until(lambda: queue_is_empty(slurm))
    assert "interrupted" in sweeper("status", "s", cwd=tmp_path).stdout
    (tmp_path / "go").touch()
    done = run(*command, "hydra.sweeper.detach=false")
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 3, "PRUNED": 0, "FAIL": 0}


def test_retry_repeats_only_what_failed(slurm, run, tmp_path):
    command = (*TOY, "x=uniform(0,1)", "mode=flaky", "hydra.sweeper.n_trials=4")
    done = run(*command)
    assert done.code == 1, done
    before = {t.number: (t.state.name, t.params["x"]) for t in study(tmp_path / "s").trials}
    failed = {x for state, x in before.values() if state == "FAIL"}
    assert 0 < len(failed) < 4
    (tmp_path / "go").touch()
    said = sweeper("retry", "s", cwd=tmp_path)
    assert said.returncode == 0, said
    trials = study(tmp_path / "s").trials
    assert {t.params["x"] for t in trials[4:]} == failed and len(trials) == 4 + len(failed)
    assert {t.state.name for t in trials[4:]} == {"COMPLETE"}
    done = run(*command, "hydra.sweeper.n_trials=5")
    assert done.code == 0, done
    assert len(study(tmp_path / "s").trials) == 5 + len(failed)


def test_preemption_goes_on_from_the_last_checkpoint(slurm, run, tmp_path):
    from mlflow.tracking import MlflowClient

    fixed = ("model.width=64", "model.depth=1", "optimizer.lr=1e-3", "stage.checkpoint_every_s=0")
    command = ("-m", *fixed, "stage.epochs=400", "hydra.sweeper.n_trials=1")
    sweep = start(TRAIN, *command, "hydra/launcher=slurm", "hydra.sweeper.study_name=s", cwd=tmp_path)
    trial = tmp_path / "multirun" / "s" / "0000"
    until(lambda: len(events(trial).get(0, [])) > 30, 120)
    slurm.command("srun", "-p", "urgent", "-N2", "--exclusive", "sleep", "1", timeout=120)
    out, err = sweep.communicate(timeout=200)
    assert sweep.returncode == 0, out + err
    attempts = events(trial)
    assert set(attempts) == {0, 1}
    curves = {n: {e["step"]: e["values"] for e in lines if e["event"] == "metrics"} for n, lines in attempts.items()}
    assert min(curves[1]) <= max(curves[0]) + 1 and min(curves[1]) >= max(curves[0])  # within a checkpoint interval
    undisturbed = run(TRAIN, *command, "hydra.sweeper.study_name=t", "tracking=null", timeout=200)
    assert undisturbed.code == 0, undisturbed
    alone = events(tmp_path / "multirun" / "t" / "0000")[0]
    expected = {e["step"]: e["values"] for e in alone if e["event"] == "metrics"}
    assert {**curves[0], **curves[1]} == expected
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("train").experiment_id])
    (child,) = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    assert child.info.status == "FINISHED"
    history = sorted(client.get_metric_history(child.info.run_id, "val_loss"), key=lambda m: m.step)
    assert [m.step for m in history] == sorted(expected)
    assert [m.value for m in history] == [expected[step]["val_loss"] for step in sorted(expected)]


def test_a_zombie_of_a_requeued_job_shares_no_file_with_its_successor(slurm, tmp_path):
    sweep = start(*TOY, "x=uniform(0,1)", "steps=40", "sleep=0.5", "hydra.sweeper.n_trials=1", cwd=tmp_path)
    trial = tmp_path / "s" / "0"
    job = job_of(trial)
    node = running(slurm)[job]
    slurm.kill_slurmd(node)
    slurm.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")  # as after SlurmdTimeout
    until(lambda: len(events(trial).get(1, [])) > 2, 60)
    until(lambda: events(trial)[0][-1]["event"] == "end", 30)  # it notices that its place was taken
    first = (trial / "events.0.jsonl").read_bytes()
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, out + err
    attempts = events(trial)
    assert set(attempts) == {0, 1} and (trial / "events.0.jsonl").read_bytes() == first
    assert attempts[0][-1]["state"] == "INTERRUPTED" and attempts[1][-1]["state"] == "COMPLETE"
    for n, lines in attempts.items():
        assert {e["attempt"] for e in lines if e["event"] == "start"} == {n}
    assert [t.state.name for t in study(tmp_path / "s").trials] == ["COMPLETE"]


def test_a_stopped_controller_is_waited_for(slurm, tmp_path):
    sweep = start(
        *TOY, "x=uniform(0,1)", "sleep=1", "hydra.sweeper.n_trials=12", "hydra.sweeper.n_jobs=4", cwd=tmp_path
    )
    job_of(tmp_path / "s" / "0")
    slurm.stop_controller()
    time.sleep(60)
    slurm.start_controller()
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, out + err
    assert "SLURM does not answer" in err and "SLURM answers again" in err
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 12, "PRUNED": 0, "FAIL": 0}


def test_edits_after_submission_do_not_reach_jobs(slurm, run, tmp_path):
    app = tmp_path / "app"
    (app / "conf").mkdir(parents=True)
    (app / "data").mkdir()
    (app / "data" / "base.txt").write_text("10")
    (app / ".gitignore").write_text("data/\n")
    (app / "conf" / "config.yaml").write_text("x: 1\noffset: 100\n")
    (app / "helper.py").write_text("def change(x):\n    return x + 1000\n")
    (app / "app.py").write_text(
        "import os, time\nfrom pathlib import Path\nimport hydra\nfrom helper import change\n"
        "ROOT = Path(__file__).parent\n"
        "@hydra.main(version_base='1.3', config_path='conf', config_name='config')\n"
        "def main(cfg):\n"
        "    Path('where.txt').write_text(os.getcwd())\n"
        "    return change(cfg.x) + cfg.offset + int((ROOT / 'data' / 'base.txt').read_text())\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    git = ["git", "-C", str(app), "-c", "user.email=a@b", "-c", "user.name=n"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    (app / "helper.py").write_text("def change(x):\n    return x + 2000\n")  # a change that is not committed
    (app / "loose.py").write_text("")
    arguments = [a if a != "hydra.sweep.dir=s" else "hydra.sweep.dir=../s" for a in TOY[1:]]
    command = (*arguments, "x=choice(1,2,3)", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=3")
    held = "+hydra.launcher.additional_parameters.hold=true"
    done = run(app / "app.py", *command, "hydra.sweeper.detach=true", held, cwd=app)
    assert done.code == 0 and "git does not track loose.py" in done.err, done
    (app / "helper.py").write_text("def change(x):\n    return x + 9999\n")
    (app / "conf" / "config.yaml").write_text("x: 1\noffset: 777\n")
    slurm.command("scontrol", "release", slurm.command("squeue", "-h", "-o", "%F").split()[0])
    until(lambda: queue_is_empty(slurm))
    said = sweeper("collect", "s", cwd=tmp_path)
    assert said.returncode == 0, said
    assert [t.value for t in study(tmp_path / "s").trials] == [2111, 2112, 2113]
    assert (app / "where.txt").read_text() == str(app)


def test_time_that_is_up_goes_on_in_a_fresh_job(slurm, run, tmp_path):
    done = run(
        *TOY, "x=uniform(0,1)", "steps=70", "sleep=0.5", "hydra.sweeper.n_trials=1", "hydra.launcher.timeout_min=1",
        "hydra.launcher.signal_delay_s=30", "hydra.launcher.max_num_timeout=1", timeout=200,
    )  # fmt: skip
    assert done.code == 0, done
    attempts = events(tmp_path / "s" / "0")
    assert set(attempts) == {0, 1}
    assert [lines[-1]["state"] for lines in attempts.values()] == ["INTERRUPTED", "COMPLETE"]
    assert len({lines[0]["slurm_job_id"] for lines in attempts.values()}) == 1
