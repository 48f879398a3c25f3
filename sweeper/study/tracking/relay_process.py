"""The relay's parent side: start it when it no longer delays the first trial, listen to it, end it."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sweeper.study.settings import Tracking

Say = Callable[[str], None]
SAY_EVERY_S = 30.0
DELAY_S = 3.0  # importing mlflow costs two CPU seconds: let the first trial start before


class RelayProcess:
    """``python -m sweeper.study.tracking.relay`` for one folder; does nothing where there is nothing to track."""

    def __init__(self, folder: Path, *, uri: str | None = None, experiment: str | None = None, on: bool = True) -> None:
        self.folder = folder
        self.run_ids: dict[int, str] = {}
        self.address: str | None = None
        self.page: str | None = None
        self._arguments = [
            *(["--tracking-uri", uri] if uri else []),
            *(["--experiment", experiment] if experiment else []),
        ]
        self.on = on
        self._process: subprocess.Popen[bytes] | None = None
        self._created = time.monotonic()
        self._buffer = b""
        self._progress = "MLflow is asked which runs it has"

    @classmethod
    def tracking(cls, folder: Path, tracking: Tracking | None) -> RelayProcess:
        """The relay for a study's or a run's folder; says so in one line where mlflow is missing."""
        if tracking is None:
            return cls(folder, on=False)
        if importlib.util.find_spec("mlflow") is None:
            print("sweeper: runs are not tracked, mlflow is missing; pip install mlflow plotly", file=sys.stderr)
            return cls(folder, on=False)
        return cls(folder, uri=tracking.uri, experiment=tracking.experiment)

    def start_when_due(self, *, force: bool = False) -> None:
        if self.on and self._process is None and (force or time.monotonic() - self._created > DELAY_S):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sweeper.study.tracking.relay", str(self.folder), *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the sweep, which then asks the relay to finish
            )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)

    def poll(self, say: Say) -> None:
        """Read what the relay has said: run ids, progress, trouble."""
        self.start_when_due()
        if self._process is None or self._process.stdout is None:
            return
        try:
            self._buffer += os.read(self._process.stdout.fileno(), 1 << 16)
        except (BlockingIOError, ValueError):
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "trial" in message and "run_id" in message:
                self.run_ids[int(message["trial"])] = message["run_id"]
            if "address" in message:
                self.address, self.page = message["address"], message["page"]
            if "error" in message:
                say(f"tracking: {message['error']}")
            if "runs" in message:
                self._progress = f"MLflow has {message['runs']} of {message['of']} runs"
            if "waits" in message:
                self._progress = "another relay of this study brings its runs"

    def finish(self, say: Say) -> int:
        """Wait until MLflow has everything, or the relay has given up and said so; its exit code."""
        self.start_when_due(force=True)
        if self._process is None:
            return 0
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has given up already; its exit code says why
            self._process.stdin.write(b"finish\n")
            self._process.stdin.flush()
        later = f"python -m sweeper sync {shlex.quote(os.path.relpath(self.folder))}"
        due = time.monotonic() + 5
        while (code := self._process.poll()) is None:
            self.poll(say)
            if time.monotonic() > due:
                due += SAY_EVERY_S
                say(f"tracking: {self._progress}, finishing; Ctrl-C leaves the rest to {later}")
            time.sleep(0.02)
        self.poll(say)
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        return code

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
