"""Optuna's storage on a real database server, which is killed while a sweep runs and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from tests.conftest import start
from tests.slurm import mariadb
from tests.slurm.cluster import free_port
from tests.study.test_failures import results


class Server:
    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = f"mysql+pymysql://me:secret@127.0.0.1:{self.port}/studies"
        mariadb.install(data, "root")
        self.start()
        self.ask("create database studies; create user me identified by 'secret'; grant all on studies.* to me")

    def start(self) -> None:
        self.process = subprocess.Popen(
            mariadb.server(self.data, self.port, "root"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while subprocess.run(mariadb.client(self.data, "select 1"), capture_output=True).returncode:
            assert self.process.poll() is None
            time.sleep(0.1)

    def ask(self, statements: str) -> None:
        subprocess.run(mariadb.client(self.data, statements), check=True)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path / "data")
    yield found
    found.kill()


def sweep(server: Server) -> tuple[str, ...]:
    return (
        "toy.py", "-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.tracking=null",
        "hydra.sweep.dir=s", f"hydra.sweeper.storage={server.url}", "hydra.sweeper.study_name=first",
        "x=uniform(0,1)", "sleep=0.2", "hydra.sweeper.n_trials=20",
    )  # fmt: skip


def until(process: subprocess.Popen[str], words: str) -> str:
    """What it says up to these words."""
    assert process.stderr is not None
    said = ""
    while words not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def ended(folder: Path) -> int:
    return sum('"end"' in path.read_text() for path in folder.glob("s/*/events.0.jsonl"))


def test_a_database_that_is_killed_is_waited_for(tmp_path, server):
    process = start(*sweep(server), cwd=tmp_path)
    while ended(tmp_path) < 4:
        time.sleep(0.05)
    server.kill()
    said = until(process, "does not answer")
    assert "secret" not in said and "running trials go on" in said
    server.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "answers again" in err, out + err
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 20, "PRUNED": 0, "FAIL": 0}
    there = optuna.load_study(study_name="first", storage=server.url)
    complete = [trial for trial in there.trials if trial.state.name == "COMPLETE"]
    assert len(complete) == 20 == len({trial.number for trial in complete})


def test_ctrl_c_while_a_database_is_away(run, tmp_path, server):
    process = start(*sweep(server), cwd=tmp_path)
    while ended(tmp_path) < 4:
        time.sleep(0.05)
    server.kill()
    until(process, "does not answer")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode != 0 and "the same command goes on" in out + err and "Traceback" not in err, out + err
    server.start()
    done = run(*sweep(server))
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 20, "PRUNED": 0, "FAIL": 0}
