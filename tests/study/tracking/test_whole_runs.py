"""Runs that come to MLflow's database whole are what its API makes of them, and come together or not at all."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import environment
from tests.mlflow_server import empty_store

BEGIN = """
import json, math, sqlite3, sys
from dataclasses import replace
from pathlib import Path
from sqlalchemy import event
from sweeper.study.tracking.mlflow_store import Store
from sweeper.study.tracking.target import Target
from sweeper.study.tracking.runs import Metric, Run

root = Path(sys.argv[1])
folder = root / "trial"
(folder / "plots").mkdir(parents=True)
(folder / "plots" / "loss.html").write_text("kept")

def store(name):
    database = root / f"{name}.db"
    return Store(Target(f"sqlite:///{database}", "app", (root / name).as_uri(), database))

def run(number, status="FINISHED"):
    tags = {"sweeper.study": "s", "sweeper.trial": str(number), "sweeper.reason": "", "note": "a 'quote', naïve"}
    losses = [0.5, 0.25, 0.25, math.nan, math.inf, -math.inf, 0.1]
    metrics = [Metric("loss", loss, 5 + step, step) for step, loss in enumerate(losses)]
    metrics += [metrics[0], Metric("acc", 0.1, 5, 3), Metric("acc", 0.9, 5, 3), Metric("acc", 0.8, 9, 1)]
    params = {"lr": "0.1", "text": "a,b=c"}
    return Run(f"{number:04d}", 1, status, 9, tags, params, metrics, ["plots/loss.html", "gone.txt"])
"""

COMPARE = """
runs = [run(0), run(1, "KILLED"), replace(run(2, "FAILED"), metrics=[], params={}, artifacts=[])]
whole, by_one = store("whole"), store("by_one")
commits = []
event.listen(whole._store.engine, "commit", commits.append)
inserted = whole.insert([(r, folder) for r in runs])
print(len(commits))
for stored, r in zip(inserted, runs):
    assert stored.holds(r), stored
    by_one.bring(r, None, folder)

def told(store):
    for r in store.client.search_runs([store.experiment_id], order_by=["tags.sweeper.trial"]):
        info = {k: v for k, v in dict(r.info).items() if k not in ("run_id", "run_uuid", "artifact_uri")}
        history = [
            [repr(m.value), m.timestamp, m.step] for key in sorted(r.data.metrics)
            for m in store.client.get_metric_history(r.info.run_id, key)
        ]
        files = [f.path for f in store.client.list_artifacts(r.info.run_id, "plots")]
        assert r.info.artifact_uri.endswith(f"/{r.info.run_id}/artifacts")
        latest = sorted((k, repr(v)) for k, v in r.data.metrics.items())
        yield [info, dict(r.data.tags), dict(r.data.params), latest, history, files]

print(json.dumps([list(told(whole)), list(told(by_one))]))
"""

REFUSE = """
kept = store("whole")
assert kept._takes_whole
bad = replace(run(1), params={"": "no name"})
print(json.dumps([
    kept.insert([(run(0), folder), (bad, folder)]), len(kept.runs("s")),
    len(kept.insert([(run(0), folder)])), kept.insert([(run(0), folder), (run(2), folder)]), len(kept.runs("s")),
    kept.client.delete_experiment(kept.experiment_id), kept.insert([(run(2), folder)]),
]))
"""


def _lines(tmp_path, program: str) -> list[str]:
    command = [sys.executable, "-c", BEGIN + program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=100)
    assert done.returncode == 0, done
    return done.stdout.splitlines()


def test_runs_inserted_whole_in_one_commit_are_those_of_mlflows_api(tmp_path):
    for name in ("whole", "by_one"):
        empty_store(tmp_path / f"{name}.db")
    commits, told = _lines(tmp_path, COMPARE)
    assert commits == "1"
    whole, by_one = json.loads(told)
    assert whole == by_one
    assert [info["status"] for info, *_ in whole] == ["FINISHED", "KILLED", "FAILED"]
    assert len(whole[0][4]) == 10 and whole[0][5] == ["plots/loss.html"]


def test_what_mlflow_refuses_or_has_already_keeps_all_of_them_out(tmp_path):
    empty_store(tmp_path / "whole.db")
    assert json.loads(_lines(tmp_path, REFUSE)[-1]) == [None, 0, 1, None, 1, None, None]
