"""Study folders written by hand, and the stores that the relay made of them."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeper.folder import Attempt
from sweeper.study.study_folder import StudyFolder
from tests.conftest import ROOT, Run
from tests.warm import Warm

RELAY = [sys.executable, "-m", "sweeper.study.tracking.relay"]
MLFLOW = (
    *("sweeper.study.tracking.sqlite_store:import_lean", "sweeper.study.tracking.relay", "mlflow.tracking"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.tracking.rest_store"),
)
WAIT_S = 60.0


class Project:
    """A project folder with a study as its orchestrator would write it, and its MLflow store."""

    warm: Warm

    def __init__(self, root: Path, name: str, template: Path | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.template = template
        self.root = root
        self.study = StudyFolder(root / "multirun" / name)
        self.path = self.study.path
        self.database = root / "mlflow.db"
        self.path.mkdir(parents=True)
        if template:
            shutil.copy(template, self.database)
        self.study.write(
            {
                "name": name,
                "app": "train",
                "cwd": str(root),
                "commit": "c" * 40,
                "command": "python train.py -m",
                "tracking": {"uri": None, "experiment": None},
            }
        )

    def submit(self, number: int, attempt: int = 0, **params: float) -> Path:
        folder = f"{number:04d}"
        self.study.log_submission(number, attempt, folder, {f"optimizer.{k}": v for k, v in params.items()}, [])
        hydra = self.path / folder / ".hydra"
        hydra.mkdir(parents=True, exist_ok=True)
        (hydra / "config.yaml").write_text("optimizer: {lr: 0.1}\n")
        return self.path / folder

    def run(self, number: int, *, attempt: int = 0, steps: int = 3, lr: float = 0.1) -> Attempt:
        said = Attempt(self.submit(number, attempt, lr=lr), attempt)
        said.start(number=number, config={"optimizer.lr": lr, "model.width": 64, "seed": number})
        for step in range(steps):
            said.metrics(step + 10 * attempt, {"train_loss": 1 / (step + 1), "val/acc": step / 10})
        return said

    def trial(self, number: int, state: str = "COMPLETE", values: list[float] | None = None) -> None:
        self.run(number, lr=0.1 * (number + 1)).end(state, values, None if values else f"it was {state}")

    def live(self, *arguments: str) -> "Live":
        return Live(self.path, *arguments)

    def sync(self, *arguments: str, code: int = 0) -> str:
        """What ``sync`` says on stderr: nothing where it succeeds."""
        done = sync(self.warm, str(self.path), *arguments)
        assert done.code == code, done
        assert code or not done.err, done
        return done.err

    def status(self) -> dict[str, tuple[str, str]]:
        """Each run's status and state, by the first word of its name."""
        with sqlite3.connect(self.database) as db:
            rows = db.execute(
                "SELECT name, status, value FROM runs JOIN tags USING (run_uuid) WHERE key = 'sweeper.state'"
            )
            return {name.split()[0]: (status, state) for name, status, state in rows}

    def contents(self, database: Path | None = None) -> dict[str, list[tuple[Any, ...]]]:
        return contents(database or self.database)

    def from_scratch(self) -> dict[str, list[tuple[Any, ...]]]:
        """The contents of an empty store after one ``sync``."""
        assert self.template is not None
        database = self.root / "scratch" / "mlflow.db"
        database.parent.mkdir()
        shutil.copy(self.template, database)
        self.sync("--tracking-uri", f"sqlite:///{database}")
        return contents(database)


class Live:
    """A relay process and its pipes."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*RELAY, str(folder), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.said: list[dict[str, Any]] = []

    def until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if is_it(self.said[-1]):
                return self.said[-1]
        raise AssertionError(f"the relay ended with {self.process.wait()} after {self.said}")

    def close(self, order: str = "") -> int:
        rest, _ = self.process.communicate(order, timeout=WAIT_S)
        self.said += [json.loads(line) for line in rest.splitlines()]
        return self.process.returncode


def sync(warm: Warm, *arguments: str) -> Run:
    """``python -m sweeper sync …``, as a fork of what has MLflow imported, which takes two seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command, files, here = [str(ROOT / "sweeper" / "__main__.py"), "sync", *arguments], Path(folder), Path.cwd()
        code = warm.run(command, here, dict(os.environ), files, WAIT_S)
        return Run(code, (files / "out").read_text(), (files / "err").read_text(), here)


@pytest.fixture(scope="session", autouse=True)
def _with_mlflow() -> Iterator[None]:
    Project.warm = Warm(*MLFLOW)
    yield
    Project.warm.close()


def contents(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What a person sees of a store: rows by run name, without the ids and places that differ by design."""
    with sqlite3.connect(database) as db:
        names = dict(db.execute("SELECT run_uuid, name FROM runs WHERE lifecycle_stage = 'active'"))
        runs = "SELECT name, status, start_time, end_time FROM runs WHERE lifecycle_stage = 'active'"
        found = {"runs": sorted(db.execute(runs))}
        for table, columns in [
            ("tags", "key, value"),
            ("params", "key, value"),
            ("metrics", "key, value, step, timestamp, is_nan"),
            ("latest_metrics", "key, value, step, timestamp, is_nan"),
        ]:
            rows = db.execute(f"SELECT run_uuid, {columns} FROM {table}")
            found[table] = sorted((names[run], *(names.get(v, v) for v in rest)) for run, *rest in rows if run in names)
    return found


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: its migrations take seconds, so they run once."""
    project = Project(tmp_path_factory.mktemp("new"), "first")
    project.sync()
    with sqlite3.connect(project.database) as db:
        for table in ("tags", "runs", "experiment_tags"):
            db.execute(f"DELETE FROM {table}")
        db.execute("DELETE FROM experiments WHERE experiment_id > 0")
    return project.database


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Project:
    return Project(tmp_path / "my projèct #1", "first", template)
