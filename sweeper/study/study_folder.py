"""The study folder: what was asked, the ledger of submissions, and the lock that one orchestrator holds."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sweeper.errors import ConfigError
from sweeper.folder import Tail, append_line, replace

STUDY = "study.yaml"
JOURNAL = "study.journal"
LEDGER = "trials.jsonl"
RESULTS = "optimization_results.yaml"
END = "study.end.json"
LOCK = "study.lock"

# what makes a study the same study: a resumed one must ask the same
IDENTITY = ("space", "fixed", "directions", "sampler", "repeats")


@dataclass
class Submission:
    """One line of the ledger: an attempt at a trial was handed to the launcher."""

    number: int
    attempt: int
    folder: str  # relative to the study folder
    params: dict[str, Any]
    overrides: list[str]
    time: float = 0.0


class StudyFolder:
    """One study's folder; ``claim`` it before writing."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None
        self._ledger: int | None = None
        self._made: list[Path] = []  # folders that claiming made, the innermost first

    @property
    def exists(self) -> bool:
        return (self.path / STUDY).exists()

    def claim(self) -> bool:
        """Make the folder and take its lock; False if another orchestrator holds it. The lock dies with us."""
        try:
            self._made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise unwritable(self.path, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.uname().nodename} {os.getpid()}\n".encode(), 0)
        self._lock = fd
        return True

    def holder(self) -> str:
        """Host and process id of the orchestrator that holds the lock, as it wrote them."""
        try:
            return (self.path / LOCK).read_text().strip() or "unknown"
        except OSError:
            return "unknown"

    def release(self) -> None:
        for fd in (self._lock, self._ledger):
            if fd is not None:
                os.close(fd)
        self._lock = self._ledger = None

    def discard(self) -> None:
        """Take away what was made of a study that was never founded; a folder that was there before stays."""
        (self.path / LOCK).unlink(missing_ok=True)
        if self._made:
            shutil.rmtree(self.path, ignore_errors=True)
            for parent in self._made[1:]:
                with suppress(OSError):  # something else has come to lie there
                    parent.rmdir()

    def read(self) -> dict[str, Any]:
        """What was asked, from ``study.yaml``; ConfigError if the file can't be read."""
        try:
            asked = yaml.load((self.path / STUDY).read_text(encoding="utf-8"), Loader=_loader())
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(
                f"{self.path / STUDY} must be readable YAML, got: {' '.join(str(error).split())}"
            ) from error
        if not isinstance(asked, dict) or "study_id" not in asked:
            raise ConfigError(
                f"{self.path / STUDY} must hold a study, got no study_id; restore the file or start afresh"
            )
        return asked

    def write(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Found the study: record what was asked, under a fresh id."""
        full = {"study_id": uuid.uuid4().hex, "created": time.time(), **asked}
        replace(self.path / STUDY, yaml.dump(full, sort_keys=False, allow_unicode=True, width=110))
        return full

    def check_same(self, asked: Mapping[str, Any], recorded: Mapping[str, Any]) -> None:
        """ConfigError that shows the difference if the command asks another study than the folder holds."""
        for field in IDENTITY:
            old, new = recorded.get(field), asked[field]
            if old != new:
                raise ConfigError(
                    f"{self.path.name} was started with another {field}: {_difference(old, new)}; "
                    "give the same one to resume it, or another hydra.sweeper.study_name to start afresh"
                )

    def log_submission(
        self, number: int, attempt: int, folder: str, params: Mapping[str, Any], overrides: list[str]
    ) -> None:
        if self._ledger is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._ledger = os.open(self.path / LEDGER, flags, 0o644)
        line = {"time": time.time(), "number": number, "attempt": attempt, "folder": folder}
        append_line(self._ledger, {**line, "params": dict(params), "overrides": overrides})

    def submissions(self) -> dict[int, Submission]:
        """The last submission of each trial number."""
        latest = {}
        for line in Tail(self.path / LEDGER).read():
            try:
                latest[line["number"]] = Submission(
                    line["number"],
                    line["attempt"],
                    line["folder"],
                    line["params"],
                    line["overrides"],
                    line["time"],
                )
            except KeyError:
                continue
        return latest

    def trial_folder(self, folder: str) -> Path:
        return self.path / folder

    def begin(self) -> None:
        """A study that runs again has not ended."""
        (self.path / END).unlink(missing_ok=True)

    def end(self, state: str, reason: str | None) -> None:
        replace(self.path / END, json.dumps({"state": state, "reason": reason, "time": time.time()}))

    def mend_journal(self) -> None:
        """Set aside a last line that a death or a full disk cut short; Optuna refuses to read past one."""
        path = self.path / JOURNAL
        if not path.exists():
            return
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with open(self.path / f"{JOURNAL}.torn", "ab") as torn:
                torn.write(data[whole:] + b"\n")
            os.truncate(path, whole)


def claim_folder(path: Path, *, fresh: bool, wait_s: float = 0.3) -> StudyFolder:
    """The folder for this sweep: ``path`` itself, or for a ``fresh`` (time-stamped) one the next free name.

    ConfigError if another orchestrator still runs the study that ``path`` holds after ``wait_s``
    (a look from ``status`` takes a moment).
    """
    candidate, n = path, 1
    deadline = time.monotonic() + wait_s
    while True:
        folder = StudyFolder(candidate)
        if folder.claim():
            if not (fresh and folder.exists):
                return folder
            folder.release()
        elif not fresh and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        elif not fresh:
            raise ConfigError(
                f"{candidate} must have one orchestrator at a time, it has: {folder.holder()} (host, process id); "
                "wait for it, stop it, or give another hydra.sweeper.study_name"
            )
        n += 1
        candidate = path.with_name(f"{path.name}-{n}")


def unwritable(path: Path, error: OSError) -> ConfigError:
    """A disk's refusal as one line: what it means for the study, and the repair."""
    if error.errno == errno.ENAMETOOLONG:
        return ConfigError(
            "hydra.sweep.subdir must give a name that the file system takes, got one too long: "
            f"{str(error.filename)[:100]}…; try hydra.sweep.subdir='${{hydra.job.num}}', or name the keys to leave out "
            "in hydra.job.config.override_dirname.exclude_keys"
        )
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return ConfigError(f"{path} must be a folder, a file is in its place; move it, or give hydra.sweep.dir=…")
    repair = "free some space" if full else "make it writable, or give another folder with hydra.sweep.dir=…"
    return ConfigError(
        f"{path} must be a folder that can be written, got: {error.strerror or error}; {repair}; "
        "nothing recorded is lost, the same command goes on where it stopped"
    )


def safe_name(name: str) -> str:
    """``study_name`` as one folder name; ConfigError if it would leave the sweep folder."""
    if not name or name in (".", "..") or re.search(r"[/\\\0]", name) or name != name.strip():
        raise ConfigError(
            f"hydra.sweeper.study_name must be one folder name without / or \\, got {name!r}; try study_name=first"
        )
    return name


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        parts = [
            f"{key}: {old.get(key, 'nothing')} → {new.get(key, 'nothing')}"
            for key in [*old, *(k for k in new if k not in old)]
            if old.get(key) != new.get(key)
        ]
        return ", ".join(parts)
    if isinstance(old, list) and isinstance(new, list):
        gone = [f"without {x}" for x in old if x not in new]
        come = [f"with {x}" for x in new if x not in old]
        return ", ".join(gone + come) or f"{old} → {new}"
    return f"{old} → {new}"


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
