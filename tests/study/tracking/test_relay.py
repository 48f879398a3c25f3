"""The relay and ``sync`` against real SQLite stores."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.folder import Attempt, End, write_end
from tests.study.tracking.conftest import sync

RELAY = [sys.executable, "-m", "sweeper.study.tracking.relay"]
SYNC = [sys.executable, "-m", "sweeper", "sync"]
WAIT_S = 60.0


def test_a_study_is_followed_to_its_end(project: Any) -> None:
    live = project.live()
    said = project.run(0, steps=2)
    run_id = live.until(lambda line: line.get("trial") == 0)["run_id"]
    assert project.status() == {"first": ("RUNNING", "RUNNING"), "0000": ("RUNNING", "RUNNING")}

    said.metrics(2, {"train_loss": float("nan"), "val/acc": float("inf")})
    (project.path / "0000" / "figures").mkdir()
    (project.path / "0000" / "figures" / "loss.txt").write_text("a curve")
    said.artifact("figures/loss.txt")
    said.end("COMPLETE", [0.25])
    live.until(lambda line: line == {"runs": 1, "of": 1})

    (project.path / "plots").mkdir()
    (project.path / "plots" / "history.html").write_text("<html>")
    project.study.end("COMPLETE", None)
    assert live.close("finish\n") == 0
    assert not [line for line in live.said if "error" in line]

    found = project.contents()
    assert {(n, s) for n, s, *_ in found["runs"]} == {("first", "FINISHED"), ("0000 lr=0.1", "FINISHED")}
    assert ("0000 lr=0.1", "mlflow.parentRunId", "first") in found["tags"]
    assert ("0000 lr=0.1", "model.width", "64") in found["params"]
    by_step = {(key, step): (value, nan) for _, key, value, step, _, nan in found["metrics"]}
    assert by_step["train_loss", 1] == (0.5, 0)
    assert by_step["train_loss", 2] == (0, 1)
    assert by_step["val/acc", 2][0] > 1e308
    assert by_step["objective", 2] == (0.25, 0)
    files = {str(p.relative_to(project.root / "mlruns")) for p in (project.root / "mlruns").rglob("*.*")}
    assert {f"{run_id}/artifacts/{name}" for name in ("config.yaml", "figures/loss.txt")} <= files
    assert any(name.endswith("artifacts/plots/history.html") for name in files)


@pytest.mark.long
def test_a_hundred_trials_that_start_at_once_are_a_hundred_runs(project: Any) -> None:
    begun = [project.run(number, steps=1) for number in range(100)]
    live = project.live()
    live.until(lambda line: line.get("trial") == 99)
    live.process.kill()  # whatever it was at
    live.close()
    for said in begun:
        said.end("COMPLETE", [0.5])
    project.study.end("COMPLETE", None)
    project.sync()
    found = [name.split()[0] for name, *_ in project.contents()["runs"]]
    assert found == [*(f"{n:04d}" for n in range(100)), "first"]
    assert set(project.status().values()) == {("FINISHED", "COMPLETE")}


@pytest.mark.long
def test_states_and_the_death_of_the_orchestrator(project: Any) -> None:
    live = project.live()
    for number, state in enumerate(["COMPLETE", "PRUNED", "FAIL", "INTERRUPTED"]):
        project.trial(number, state, [0.5] if state == "COMPLETE" else None)
    write_end(project.submit(4), 0, End("LOST", None, "node failure"))
    project.run(5)
    live.until(lambda line: line.get("trial") == 5)
    assert live.close() == 0  # its stdin ends: nobody said finish
    assert project.status() == {
        "first": ("KILLED", "INTERRUPTED"),
        "0000": ("FINISHED", "COMPLETE"),
        "0001": ("KILLED", "PRUNED"),
        "0002": ("FAILED", "FAIL"),
        "0003": ("KILLED", "INTERRUPTED"),
        "0004": ("KILLED", "LOST"),
        "0005": ("KILLED", "INTERRUPTED"),
    }

    live = project.live()
    again = project.run(3, attempt=1, lr=0.4)
    live.until(lambda line: line == {"runs": 4, "of": 6})  # 3 runs again, 5 is hoped for
    assert project.status()["0003"] == project.status()["first"] == ("RUNNING", "RUNNING")
    again.end("COMPLETE", [0.1])
    write_end(project.path / "0005", 0, End("LOST", None, "died"))
    project.study.end("FAIL", "1 trial failed")
    assert live.close("finish\n") == 0
    assert project.status()["0003"] == ("FINISHED", "COMPLETE")
    assert project.status()["0005"] == ("KILLED", "LOST")
    assert project.status()["first"] == ("FAILED", "FAIL")
    assert project.contents() == project.from_scratch()


def test_a_study_that_goes_on_has_the_best_so_far_as_if_brought_at_once(project: Any) -> None:
    """It is interrupted with a trial under way, ends, ends again with nothing new, and is extended."""
    project.trial(0, "COMPLETE", [0.5])
    waited_for = project.run(1)
    project.trial(2, "COMPLETE", [0.4])
    for state in ("INTERRUPTED", "COMPLETE", "COMPLETE"):
        project.study.end(state, None)
        project.sync()
        if not waited_for.ended:
            waited_for.end("COMPLETE", [0.3])
    project.trial(3, "COMPLETE", [0.2])
    project.trial(4, "COMPLETE", [0.2])
    project.sync()
    found = [row[2:4] for row in project.contents()["metrics"] if row[1] == "best_objective"]
    assert sorted(found) == [(0.2, 3), (0.3, 1), (0.5, 0)]
    assert project.contents() == project.from_scratch()


def test_a_run_made_twice_because_an_answer_was_lost_is_one(project: Any) -> None:
    project.trial(0, "COMPLETE", [0.5])
    project.study.end("COMPLETE", None)
    project.sync()
    with sqlite3.connect(project.database) as db:
        (first,) = db.execute("SELECT run_uuid FROM runs WHERE name LIKE '0000 %'").fetchone()
        for table in ("runs", "tags"):
            found = db.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", [first])
            for row in found.fetchall():
                again = ["f" * 32 if value == first else value for value in row]
                db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", again)
        db.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?", ["f" * 32])
    project.sync()
    assert project.contents() == project.from_scratch()


def test_steps_repeated_from_a_checkpoint_are_in_the_store_once(project: Any) -> None:
    for attempt, (first, end) in enumerate([(0, 4), (2, 6)]):  # the second one's checkpoint held two steps
        said = Attempt(project.submit(0, attempt), attempt)
        said.start(number=0, config={})
        for step in range(first, end):
            said.metrics(step, {"loss": 10.0 * attempt + step})
        project.sync()
    said.metrics(6, {"loss": 6.0, "late": 1.0})
    said.end("COMPLETE", [0.5])
    project.study.end("COMPLETE", None)
    project.sync()
    with sqlite3.connect(project.database) as db:
        loss = db.execute("SELECT step, value FROM metrics WHERE key = 'loss' ORDER BY step").fetchall()
        assert loss == [(0, 0), (1, 1), (2, 2), (3, 3), (4, 14), (5, 15), (6, 6)]
        assert db.execute("SELECT step FROM metrics WHERE key = 'late'").fetchall() == [(6,)]
    assert project.contents() == project.from_scratch()


@pytest.mark.long
def test_a_killed_relay_is_made_up_for(project: Any) -> None:
    for number in range(5):
        project.trial(number, "COMPLETE", [0.5])
    live = project.live()
    live.until(lambda line: line.get("trial") == 4)
    live.process.kill()
    live.close()
    for number in range(5, 12):
        project.trial(number, "COMPLETE", [0.5])
    project.study.end("COMPLETE", None)

    # the worst moments, by hand: after the metrics and before what says that they are in
    with sqlite3.connect(project.database) as db:
        runs = [run for (run,) in db.execute("SELECT run_uuid FROM runs WHERE name LIKE '000_ %' ORDER BY name")]
        db.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?", runs[1:2])
        db.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?", runs[2:3])
        db.execute("UPDATE tags SET value = 'RUNNING' WHERE key = 'sweeper.state' AND run_uuid = ?", runs[2:3])
        db.execute("DELETE FROM tags WHERE key = 'sweeper.relayed' AND run_uuid = ?", runs[2:3])
    project.sync()
    assert project.contents() == project.from_scratch()

    with sqlite3.connect(project.database) as db:
        before = list(db.iterdump())
    project.sync()
    with sqlite3.connect(project.database) as db:
        assert list(db.iterdump()) == before


@pytest.mark.long
def test_two_studies_at_once_make_one_database(project: Any, tmp_path: Path) -> None:
    projects = [type(project)(tmp_path / "new", name) for name in ("first", "second")]
    for one in projects:
        one.trial(0, "COMPLETE", [0.5])
        one.study.end("COMPLETE", None)
    both = [one.live() for one in projects]
    assert [live.close("finish\n") for live in both] == [0, 0]
    assert not [line for live in both for line in live.said if "error" in line]
    assert sorted(s for s, _ in projects[0].status().values()) == ["FINISHED"] * 3
    with sqlite3.connect(projects[0].database) as db:
        assert db.execute("SELECT count(*) FROM experiments").fetchone() == (2,)  # MLflow's own, and ours


def test_one_relay_at_a_time_and_one_bad_record_stops_no_other(project: Any) -> None:
    live = project.live()
    said = project.run(0)
    live.until(lambda line: line.get("trial") == 0)
    second = subprocess.Popen([*SYNC, str(project.path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    assert "another relay is at work" in second.stderr.readline()
    third = project.live()
    third.until(lambda line: line.get("waits"))
    assert third.close() == 0, "its orchestrator died, so it waits for nothing"

    with sqlite3.connect(project.database, timeout=20) as db:  # somebody deletes the run in MLflow's page
        db.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name LIKE '0000 %'")
    said.end("COMPLETE", [0.5])
    assert "trial 0" in live.until(lambda line: "error" in line)["error"]
    project.trial(1, "COMPLETE", [0.5])
    project.study.end("COMPLETE", None)
    assert live.close("finish\n") == 1
    assert project.status()["0001"] == ("FINISHED", "COMPLETE")
    assert second.communicate(timeout=WAIT_S) == (None, "")


def test_a_run_outside_a_sweep(project: Any) -> None:
    folder = project.root / "outputs" / "2026-01-31" / "12-00-00"
    said = Attempt(folder)
    said.start(number=None, job="train", config={"lr": 0.1}, cwd=str(project.root), commit="d" * 40)
    said.metrics(0, {"loss": 1.0})
    said.end("COMPLETE", [0.5])
    done = subprocess.run(
        [*RELAY, str(folder)], input="finish\n", capture_output=True, text=True, check=True, timeout=WAIT_S
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [set(line) for line in lines] == [
        {"address", "page", "experiment_id", "parent_run_id"},
        {"run_id"},
        {"runs", "of"},
    ]
    found = project.contents()
    assert [(n, s) for n, s, *_ in found["runs"]] == [("train 2026-01-31 12-00-00", "FINISHED")]
    assert ("train 2026-01-31 12-00-00", "mlflow.source.git.commit", "d" * 40) in found["tags"]
    assert not [tag for tag in found["tags"] if tag[1] == "mlflow.parentRunId"]


def test_the_relay_stays_light() -> None:
    heavy = "import sys, sweeper.study.tracking.relay; print({'torch', 'optuna', 'mlflow', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", heavy], text=True) == "set()\n"


def test_a_folder_without_a_study_is_one_line(project: Any, tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        done = sync(project.warm, *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done
        return done.err

    project.trial(0)
    assert "must hold a study" in said(str(tmp_path))
    assert "is one trial of a study" in said(str(project.path / "0000"))
    assert "use sqlite:///mlflow.db" in said(str(project.path), "--tracking-uri", "./mlruns")


@pytest.mark.parametrize("live", [True, False])
def test_more_than_a_request_may_have(project: Any, live: bool) -> None:
    """MLflow takes 100 parameters, 100 tags, 1000 metrics and 1 MB at once."""
    said = Attempt(project.submit(0, lr=0.1), 0)
    relay = project.live() if live else None
    said.start(number=0, config={f"p.{i}": "\N{SNOWMAN}" * 900 for i in range(250)})
    if relay:
        relay.until(lambda line: line.get("trial") == 0)
    said.tags({f"tag {i}": "\N{SNOWMAN}" * 1200 for i in range(250)})
    for step in range(3):
        said.metrics(step, {f"m{i}": i * step for i in range(700)})
    said.end("COMPLETE", [0.5])
    project.study.end("COMPLETE", None)
    if relay:
        assert relay.close("finish\n") == 0, relay.said
        assert not [line for line in relay.said if "error" in line]
    else:
        project.sync()
    found = project.contents()
    assert found == project.from_scratch()
    name = next(row[0] for row in found["runs"] if row[0].startswith("0000"))
    counts = {table: sum(row[0] == name for row in found[table]) for table in ("params", "metrics")}
    assert counts["params"] == 251 and counts["metrics"] == 2100 + 1
    assert sum(row[0] == name and row[1].startswith("tag ") for row in found["tags"]) == 250
