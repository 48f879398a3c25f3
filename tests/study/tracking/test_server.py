"""The relay against a real ``mlflow server`` over HTTP: there, late, or never."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WAIT_S = 60.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path, template: Path) -> Iterator[tuple[str, Path, Callable[[], None]]]:
    """The address and the database of a server, and what starts it."""
    database = tmp_path / "server" / "mlflow.db"
    database.parent.mkdir()
    shutil.copy(template, database)
    port, started = free_port(), []
    uri = f"http://127.0.0.1:{port}"

    def start() -> None:
        command = ["mlflow", "server", "--port", str(port), "--workers", "1"]
        stores = [
            "--backend-store-uri",
            f"sqlite:///{database}",
            "--artifacts-destination",
            str(tmp_path / "files"),
        ]
        alone = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # without it, ten processes
        with open(tmp_path / "server.log", "w") as log:
            pipes: dict[str, Any] = {"stdout": log, "stderr": log, "env": alone, "start_new_session": True}
            started.append(subprocess.Popen([sys.executable, "-m", *command, *stores], **pipes))
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((tmp_path / "server.log").read_text())

    yield uri, database, start
    for process in started:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.mark.long
def test_a_server_that_comes_late_gets_everything(
    project: Any, server: tuple[str, Path, Callable[[], None]], tmp_path: Path
) -> None:
    uri, database, start = server
    said = project.run(0)
    project.trial(1, "PRUNED")
    live = project.live("--tracking-uri", uri)
    live.until(lambda line: "error" in line)
    start()
    live.until(lambda line: line.get("trial") == 1)
    said.metrics(3, {"train_loss": float("nan"), "val/acc": float("-inf")})
    said.end("COMPLETE", [0.5])
    project.study.end("COMPLETE", None)
    assert live.close("finish\n") == 0
    assert project.contents(database) == project.from_scratch()
    assert len(list((tmp_path / "files").rglob("config.yaml"))) == 2


def test_a_server_that_stays_away_costs_nothing_but_a_line(project: Any) -> None:
    project.trial(0, "COMPLETE", [0.5])
    address = f"http://me:secret@127.0.0.1:{free_port()}"
    said = project.sync("--tracking-uri", address, "--give-up-s", "0.1", code=3)
    assert f"python -m sweeper sync '{project.path}'" in said
    assert "nothing is lost" in said
    assert "secret" not in said
