"""The relay against a real ``mlflow server`` over HTTP: there, late, slow, or never."""

import os
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import start
from tests.mlflow_server import Server, free_port


@pytest.fixture
def server(tmp_path: Path, template: Path) -> Iterator[Server]:
    server = Server(tmp_path, template)
    yield server
    server.kill()


@pytest.mark.long
def test_a_server_that_comes_late_and_is_killed_in_the_middle_gets_everything(
    project: Any, server: Server, tmp_path: Path
) -> None:
    said = project.run(0)
    project.trial(1, "PRUNED")
    live = project.live("--tracking-uri", server.uri, "--give-up-s", "0.1")
    live.until(lambda line: "error" in line)
    server.start()
    live.until(lambda line: line.get("trial") == 1)
    server.kill()
    said.metrics(3, {"train_loss": float("nan"), "val/acc": float("-inf")})
    live.until(lambda line: "error" in line)
    said.end("COMPLETE", [0.5])
    again = project.run(2)
    server.start()
    live.until(lambda line: line.get("trial") == 2)  # it has caught up by itself
    server.kill()
    again.end("FAIL", None, "it broke")
    project.trial(3, "COMPLETE", [0.25])
    project.study.end("COMPLETE", None)
    assert live.close("finish\n") == 3  # what is left is for sync
    server.start()
    project.sync("--tracking-uri", server.uri)
    assert project.contents(server.database) == project.from_scratch()
    assert len(list((tmp_path / "files").rglob("config.yaml"))) == 4
    before = server.dump()
    project.sync("--tracking-uri", server.uri)
    assert server.dump() == before


def test_a_server_that_stays_away_costs_nothing_but_a_line(project: Any) -> None:
    project.trial(0, "COMPLETE", [0.5])
    address = f"http://me:secret@127.0.0.1:{free_port()}"
    said = project.sync("--tracking-uri", address, "--give-up-s", "0.1", code=3)
    assert f"python -m sweeper sync '{project.path}'" in said
    assert "nothing is lost" in said
    assert "secret" not in said


def test_nobody_has_to_wait_for_a_slow_server(run: Any, server: Server, tmp_path: Path) -> None:
    server.start()
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGSTOP)
    arguments = ("hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweep.dir=my s", "x=1,2")
    sweep = start("toy.py", "-m", *arguments, cwd=tmp_path, MLFLOW_TRACKING_URI=server.uri)
    assert sweep.stderr is not None
    line = next(line for line in sweep.stderr if "leaves the rest to" in line)
    os.killpg(sweep.pid, signal.SIGINT)
    out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "complete: 2 complete" in out and "Traceback" not in err, (out, err)
    os.killpg(server.process.pid, signal.SIGCONT)
    later = shlex.split(line.partition("leaves the rest to ")[2])
    assert later[-1] == "my s"
    done = run(*later[1:], MLFLOW_TRACKING_URI=server.uri)
    assert done.code == 0 and "2 of 2 runs" in done.out, done


@pytest.mark.long
def test_a_server_takes_runs_of_any_size(project: Any, server: Server) -> None:
    server.start()
    said = project.run(0)
    live = project.live("--tracking-uri", server.uri)
    live.until(lambda line: line.get("trial") == 0)
    for attempt in (said, project.run(1)):
        attempt.tags({f"tag {i}": "\N{SNOWMAN}" * 2000 for i in range(250)})
        attempt.end("COMPLETE", [0.5])
    project.study.end("COMPLETE", None)
    assert live.close("finish\n") == 0, live.said
    assert project.contents(server.database) == project.from_scratch()
