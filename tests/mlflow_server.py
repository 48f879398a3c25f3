"""A real ``mlflow server``, and the empty database that it begins with."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

WAIT_S = 60.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A real one, which may be started and killed."""

    def __init__(self, root: Path, template: Path) -> None:
        self.root = root
        self.database = root / "server" / "mlflow.db"
        self.database.parent.mkdir()
        shutil.copy(template, self.database)
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.process is not None:
            return
        command = ["mlflow", "server", "--port", str(self.port), "--workers", "1"]
        stores = ["--backend-store-uri", f"sqlite:///{self.database}", "--artifacts-destination"]
        alone = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # without it, ten processes
        with open(self.root / "server.log", "w") as log:
            pipes: dict[str, Any] = {"stdout": log, "stderr": log, "env": alone, "start_new_session": True}
            arguments = [sys.executable, "-m", *command, *stores, str(self.root / "files")]
            self.process = subprocess.Popen(arguments, **pipes)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.root / "server.log").read_text())

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def dump(self) -> list[str]:
        with sqlite3.connect(self.database) as db:
            return list(db.iterdump())


def empty_store(path: Path) -> Path:
    """Have MLflow make its database at ``path``: its migrations take seconds, so copy it."""
    make = f"from mlflow import MlflowClient; MlflowClient({f'sqlite:///{path}'!r}).search_experiments()"
    subprocess.run([sys.executable, "-c", make], check=True, capture_output=True, cwd=path.parent)
    return path
