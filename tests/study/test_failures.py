"""Every way a trial can go wrong: told as FAIL with its reason, the others unaffected, the exit code says so."""

from __future__ import annotations

import os
import time
from pathlib import Path

import optuna
import pytest
import yaml

from tests.conftest import both_start_methods, processes_with, start

SWEEP = (
    "-m",
    "hydra/sweeper=optuna",
    "hydra/launcher=local",
    "hydra.sweeper.tracking=null",
    "hydra.sweep.dir=s",
)


def results(folder: Path) -> dict:
    return yaml.safe_load((folder / "optimization_results.yaml").read_text())


def study(folder: Path) -> optuna.Study:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "study.journal"))
    return optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))


SPAWNED = pytest.param("spawn", 0.15, marks=pytest.mark.long)  # the time includes the app's start


@pytest.mark.parametrize("method, timeout_min", [("fork", 0.15), SPAWNED])
def test_each_kind_of_failure_is_a_trial_with_its_reason(run, tmp_path, method, timeout_min):
    modes = ["ok", "diverge", "raise", "exit", "kill", "memory", "print", "hang", "none", "orphan"]
    done = run(
        "toy.py", *SWEEP, "hydra/sweeper/sampler=grid", f"mode={','.join(modes)}",
        "hydra.sweeper.n_trials=10", f"hydra.launcher.timeout_min={timeout_min}", "hydra.launcher.mem_gb=1",
        f"hydra.launcher.start_method={method}",
    )  # fmt: skip
    assert done.code == 1, done
    found = results(tmp_path / "s")
    assert found["counts"] == {"COMPLETE": 3, "PRUNED": 0, "FAIL": 7}
    reasons = {modes[f["number"]]: f["reason"] for f in found["failed_trials"]}
    expected = {
        "diverge": "the objective is nan",
        "raise": "RuntimeError: the weights exploded",
        "exit": "called sys.exit(3)",
        "kill": "killed by signal 9",
        "memory": "out of memory",
        "hang": f"exceeded hydra.launcher.timeout_min={timeout_min}",
        "none": "must return a number, got 'None'",
    }
    assert reasons.keys() == expected.keys()
    for mode, reason in expected.items():
        assert reason in reasons[mode], (mode, reasons)
        assert reason in done.both
    tails = {modes[f["number"]]: f["log_tail"] for f in found["failed_trials"]}
    assert "the weights exploded" in tails["raise"] and "MemoryError" in tails["memory"]
    assert (tmp_path / "s" / str(modes.index("print")) / "output.0.log").stat().st_size >= 100_000_000
    states = [t.state.name for t in study(tmp_path / "s").trials]
    assert [m for m, s in zip(modes, states, strict=True) if s == "COMPLETE"] == ["ok", "print", "orphan"]
    assert processes_with(str(tmp_path)) == []


@both_start_methods
def test_a_killed_trial_is_attempted_again_with_the_same_parameters(run, tmp_path, method):
    sweep = (*SWEEP, f"hydra.launcher.start_method={method}", "hydra.sweeper.n_trials=2", "hydra.sweeper.retries=2")
    done = run("toy.py", *sweep, "mode=kill", "x=uniform(0,1)")
    assert done.code == 1, done
    for number in range(2):
        attempts = sorted(p.name for p in (tmp_path / "s" / str(number)).glob("events.*.jsonl"))
        assert attempts == ["events.0.jsonl", "events.1.jsonl", "events.2.jsonl"]
    lines = [yaml.safe_load(line) for line in (tmp_path / "s" / "trials.jsonl").read_text().splitlines()]
    assert len({line["params"]["x"] for line in lines if line["number"] == 0}) == 1
    assert len(study(tmp_path / "s").trials) == 2


@both_start_methods
def test_a_full_disk_is_not_the_trials_fault(run, tmp_path, method):
    sweep = (*SWEEP, f"hydra.launcher.start_method={method}", "hydra.sweeper.n_trials=1", "hydra.sweeper.retries=1")
    done = run("toy.py", *sweep, "mode=full", "x=uniform(0,1)")
    assert done.code == 0 and "no space was left on its disk, its log says where; attempt 2 of 2" in done.err, done
    assert "OSError: [Errno 28]" in (tmp_path / "s" / "0" / "output.0.log").read_text()


def test_max_failure_rate_ends_the_sweep(run, tmp_path):
    done = run(
        "toy.py",
        *SWEEP,
        "mode=raise",
        "x=uniform(0,1)",
        "hydra.sweeper.n_trials=30",
        "hydra.sweeper.max_failure_rate=0.2",
    )
    assert done.code == 1
    assert "hydra.sweeper.max_failure_rate=0.2" in done.err and "the weights exploded" in done.err
    assert 3 <= len(study(tmp_path / "s").trials) < 10


@both_start_methods
def test_no_trials_outlive_a_killed_orchestrator(tmp_path, method):
    sweep = (*SWEEP, f"hydra.launcher.start_method={method}")
    process = start("toy.py", *sweep, "mode=orphan", "sleep=60", "x=uniform(0,1)", cwd=tmp_path)
    deadline = time.monotonic() + 30
    while len(list(tmp_path.glob("s/*/events.0.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(processes_with(str(tmp_path))) >= 4  # orchestrator, nursery, two trials
    os.kill(process.pid, 9)
    process.communicate()
    while processes_with(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(str(tmp_path)) == []


@pytest.mark.parametrize(
    "steps, monitor, said",
    [
        (2, "val_loss", "must name a metric that trials report, got val_loss (did you mean 'loss'?); trial 0000"),
        (0, "loss", "trial 0000 reported nothing; call sweeper.report"),
        (2, "loss", ""),
    ],
)
def test_a_pruner_that_watches_nothing_is_said_once(run, steps, monitor, said):
    done = run(
        "toy.py", *SWEEP, "x=0.1,0.2,0.3", f"steps={steps}", "hydra/sweeper/sampler=grid",
        "hydra.sweeper.pruner={_target_:optuna.pruners.MedianPruner}", f"hydra.sweeper.monitor={monitor}",
        "hydra.sweeper.n_jobs=1",
    )  # fmt: skip
    assert done.code == 0, done
    assert done.both.count("nothing is pruned") == bool(said) and said in done.both, done
