"""A run comes to MLflow's database whole or not at all."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

from tests.conftest import environment
from tests.mlflow_server import empty_store

BRING = """
import json, sys
from dataclasses import replace
from pathlib import Path
from sqlalchemy import event
from sweeper.study.tracking.mlflow_store import Store, Target
from sweeper.study.tracking.runs import Metric, Run

folder = Path(sys.argv[1])
store = Store(Target(f"sqlite:///{folder / 'mlflow.db'}", "app", (folder / "mlruns").as_uri(), folder / "mlflow.db"))
(folder / "notes.txt").write_text("kept")
run = Run("0000", 1, "FINISHED", 9, {"sweeper.state": "COMPLETE"}, {"lr": "0.1"},
          [Metric("loss", 0.5, 5, step) for step in range(3)], ["notes.txt"])
commits = []
event.listen(store._store.engine, "commit", commits.append)
stored = store.bring(run, None, folder)
one = len(commits)
stored.params = 0
try:
    store.bring(replace(run, params={"lr": "0.2", "width": "8"}, tags={"sweeper.state": "FAIL"}), stored, folder)
    refused = "no"
except Exception as error:
    refused = type(error).__name__
print(json.dumps([one, refused]))
"""


def test_one_commit_brings_a_run_and_what_mlflow_refuses_changes_nothing(tmp_path):
    empty_store(tmp_path / "mlflow.db")
    command = [sys.executable, "-c", BRING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=100)
    assert done.returncode == 0, done
    assert json.loads(done.stdout.splitlines()[-1]) == [1, "MlflowException"]
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        assert store.execute("SELECT name, status, end_time FROM runs").fetchall() == [("0000", "FINISHED", 9)]
        assert store.execute("SELECT key, value FROM params").fetchall() == [("lr", "0.1")]
        assert store.execute("SELECT step FROM metrics ORDER BY step").fetchall() == [(0,), (1,), (2,)]
        assert store.execute("SELECT value FROM tags WHERE key = 'sweeper.state'").fetchall() == [("COMPLETE",)]
    assert [path.read_text() for path in (tmp_path / "mlruns").rglob("notes.txt")] == ["kept"]
