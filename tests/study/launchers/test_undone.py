"""A trial's process ends as an interpreter does: what the app left open is written, joined and ended."""

from __future__ import annotations

import gzip
import os
import sqlite3
import time
from pathlib import Path

import pytest

from tests.conftest import both_start_methods
from tests.study.test_failures import SWEEP

ALL = (*SWEEP, "hydra/sweeper/sampler=grid")


@both_start_methods
@pytest.mark.parametrize("trials_per_process", [1, 9])
def test_what_was_left_to_the_end_is_done(quick, tmp_path, method, trials_per_process):
    left = ["file", "child", "queue", *["gzip"][: trials_per_process == 1]]  # a process that goes on keeps files open
    done = quick(
        *("undone.py", *ALL, f"leave={','.join(left)}", f"hydra.launcher.start_method={method}"),
        f"hydra.launcher.trials_per_process={trials_per_process}",
    )
    assert done.code == 0, done
    found = {what: (tmp_path / f"{what}.txt").read_bytes() for what in left}
    if "gzip" in found:
        found["gzip"] = gzip.decompress(found["gzip"])
    assert found == dict.fromkeys(left, b"written")


@both_start_methods
def test_shared_memory_goes_with_its_trial(quick, method):
    mine = os.getpid()
    done = quick("undone.py", *ALL, "leave=shared,killed", f"id={mine}", f"hydra.launcher.start_method={method}")
    assert done.code == 1 and "killed by signal 9" in done.err, done
    deadline = time.monotonic() + 20  # a killed trial's tracker is a process of its own, and may be the last to end
    while left := list(Path("/dev/shm").glob(f"undone-{mine}-*")):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.long
@pytest.mark.parametrize("left", ["thread", "process"])
def test_a_process_that_does_not_end_with_its_trial_is_said(quick, tmp_path, left):
    done = quick("undone.py", *ALL, f"leave={left}", "hydra.sweeper.n_trials=1", "hydra.launcher.timeout_min=0.5")
    assert done.code == 0 and "trial 0000 has ended (COMPLETE), its process has not" in done.err, done
    assert f"waits for the {left} endless" in (tmp_path / "s" / "0" / "output.0.log").read_text()


@pytest.mark.long
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_runs_left_open_in_mlflow_end_as_their_trial_did(quick, tmp_path, method):
    left = ["complete", "pruned", "failed"]
    done = quick("left_open.py", *ALL, f"leave={','.join(left)}", f"hydra.launcher.start_method={method}")
    assert done.code == 1, done
    with sqlite3.connect(tmp_path / "own.db") as db:
        found = dict(db.execute("SELECT name, status FROM runs"))
    statuses = dict(zip(left, ("FINISHED", "KILLED", "FAILED"), strict=True))
    assert found == {**statuses, **{f"below {what}": status for what, status in statuses.items()}}
