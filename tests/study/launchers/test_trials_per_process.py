"""One process, many trials: each finds what a fresh process would show it, or gets a fresh one."""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import pairwise

import pytest

from sweeper.folder import read_attempt
from tests.conftest import ROOT, both_start_methods, processes_with, start
from tests.study.test_failures import SWEEP, results

UNDONE = [
    "nothing",
    "folder",
    "environment",
    "arguments",
    "resolver",
    "warnings",
    "random",
    "dtype",
    "grad",
    "output",
    "pruned",
    "orphan",
]
ENDS_IT = ["thread", "child", "handler", "signal", "error", "exit", "killed"]
LOCAL = ("hydra/launcher=local", "hydra.launcher.slots=1", "hydra.launcher.preload=[torch]")


@both_start_methods
def test_a_trial_finds_the_process_as_the_first_one_did_or_gets_another(run, tmp_path, method):
    left = [*UNDONE, *(what for last in ENDS_IT for what in ("nothing", last)), "nothing"]
    done = run(
        "reused.py", "-m", *LOCAL, "hydra.launcher.trials_per_process=100", f"leave={','.join(left)}",
        f"hydra.launcher.start_method={method}", "hydra.sweep.dir=s",
    )  # fmt: skip
    seen = [json.loads((tmp_path / "s" / str(i) / "seen.json").read_text()) for i in range(len(left))]
    for number, (what, trial) in enumerate(zip(left, seen, strict=True)):
        assert trial["found"] == seen[0]["found"], (left[number - 1], done)
        assert f"this is {what}" in (tmp_path / "s" / str(number) / "output.0.log").read_text()
    for drawn in zip(*(trial["drawn"] for trial in seen), strict=True):
        assert len(set(drawn)) == len(left)  # as in fresh processes
    goes_on = [a["pid"] == b["pid"] for a, b in pairwise(seen)]
    assert goes_on == [what in UNDONE for what in left[:-1]], done
    assert (tmp_path / "s" / str(left.index("handler")) / "handled").exists()
    assert processes_with(str(tmp_path)) == []


def test_a_process_ends_after_so_many(run, tmp_path):
    done = run(
        "reused.py", *SWEEP, *LOCAL, "x=uniform(0,1)", "hydra.sweeper.n_trials=7", "hydra.launcher.trials_per_process=3"
    )
    assert done.code == 0, done
    pids = [json.loads((tmp_path / "s" / str(i) / "seen.json").read_text())["pid"] for i in range(7)]
    assert [pids.index(pid) for pid in pids] == [0, 0, 0, 3, 3, 3, 6]


def test_a_process_killed_while_it_waits_costs_no_trial(tmp_path):
    sweep = start(
        "toy.py", *SWEEP, "x=uniform(0,1)", "sleep=0.2", "hydra.sweeper.n_trials=12", "hydra.launcher.slots=2",
        "hydra.launcher.trials_per_process=100", "hydra.sweeper.retries=9", cwd=tmp_path,
    )  # fmt: skip
    killed: set[int] = set()
    try:
        while sweep.poll() is None:
            for end in (tmp_path / "s").glob("[0-9]*/events.0.jsonl"):
                record = read_attempt(end.parent, 0)
                pid = record.start.get("pid")
                if record.end is not None and pid not in killed and len(killed) < 3:
                    killed.add(pid)
                    try:
                        os.kill(pid, signal.SIGKILL)  # between two trials, or early in the next
                    except ProcessLookupError:
                        killed.discard(pid)
            time.sleep(0.001)
        out, err = sweep.communicate(timeout=60)
    finally:
        sweep.kill()
    assert len(killed) == 3, (out, err)
    assert sweep.returncode == 0, (out, err)
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 12, "PRUNED": 0, "FAIL": 0}


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_training_is_bit_for_bit_that_of_a_process_a_trial(quick, tmp_path, model):
    curves = []
    for trials in (1, 100):
        done = quick(
            ROOT / "train.py", "-m", "tracking=null", f"model={model}", "regularizer=[dropout,noise]", "stage.epochs=2",
            "hydra.sweeper.n_trials=4", f"hydra.launcher.trials_per_process={trials}", f"hydra.sweep.dir=s{trials}",
            "hydra.launcher.slots=1", "hydra.launcher.threads=1",
        )  # fmt: skip
        assert done.code == 0, done
        records = [read_attempt(tmp_path / f"s{trials}" / f"{i:04d}", 0) for i in range(4)]
        curves.append([[event["values"] for event in record.metrics] for record in records])
        assert len({record.start["pid"] for record in records}) == (4 if trials == 1 else 1)
    assert curves[0] == curves[1]


@both_start_methods
def test_a_job_taken_ahead_begins_after_a_trial_that_returned_not_after_one_that_ends_the_sweep(run, tmp_path, method):
    sweep = (
        *SWEEP, "hydra.launcher.slots=1", "hydra.launcher.trials_per_process=100", "hydra.sweeper.n_trials=9",
        "mode=choice(ok,fine,well,raise)", "x=uniform(0,1)", f"hydra.launcher.start_method={method}",
    )  # fmt: skip
    done = run("toy.py", *sweep, "hydra.sweeper.max_failure_rate=0")
    ends = [read_attempt(folder, 0).end.state for folder in sorted(tmp_path.glob("s/[0-9]*"))]
    assert done.code == 1 and len(ends) > 1 and ends == ["COMPLETE"] * (len(ends) - 1) + ["FAIL"], done
    ledger = [json.loads(line)["number"] for line in (tmp_path / "s" / "trials.jsonl").read_text().splitlines()]
    assert ledger == list(range(len(ends) + 1))  # one was taken ahead
    run("toy.py", *sweep, "hydra.sweeper.max_failure_rate=1")
    found = results(tmp_path / "s")
    assert sum(found["counts"].values()) == 9
    assert all(len(list(folder.glob("events.*"))) == 1 for folder in tmp_path.glob("s/[0-9]*"))


EDITS = """
from pathlib import Path
import hydra

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    for path in Path(__file__).parent.glob("conf/part/*.yaml"):
        path.write_text("value: 99")
    return cfg.part.value

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("trials", [1, 100])
def test_config_files_that_change_while_a_sweep_runs_do_not_reach_its_forks(run, tmp_path, trials):
    (tmp_path / "conf" / "part").mkdir(parents=True)
    (tmp_path / "edits.py").write_text(EDITS)
    (tmp_path / "conf" / "config.yaml").write_text("defaults: [part: a]")
    for value, name in enumerate("abc"):
        (tmp_path / "conf" / "part" / f"{name}.yaml").write_text(f"value: {value}")
    done = run(
        tmp_path / "edits.py", *SWEEP, "hydra.launcher.slots=1", f"hydra.launcher.trials_per_process={trials}",
        "hydra.launcher.start_method=fork", "hydra/sweeper/sampler=grid", "part=choice(a,b,c)",
        "hydra.sweeper.n_trials=3",
    )  # fmt: skip
    assert done.code == 0, done
    assert sorted(read_attempt(tmp_path / "s" / str(i), 0).end.values for i in range(3)) == [[0], [1], [2]]
