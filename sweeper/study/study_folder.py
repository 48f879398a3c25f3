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
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sweeper.errors import ConfigError, words
from sweeper.folder import replace
from sweeper.lines import Tail, append_line

STUDY = "study.yaml"
COPY = ".study.yaml"  # kept twice: nothing else says what was asked
JOURNAL = "study.journal"
LEDGER = "trials.jsonl"
RESULTS = "optimization_results.yaml"
SEAL = b"# checksum of all before: "
END = "study.end.json"
LOCK = "study.lock"

_TEXTS = ("study_id", "name", "app", "cwd", "command", "commit", "metric")

# what makes a study the same study: a resumed one must ask the same
_BLANKS = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|\s*([,()\[\]{}:])\s*""")
IDENTITY = ("space", "fixed", "config", "directions", "sampler", "repeats")


@dataclass
class Submission:
    """One line of the ledger: an attempt at a trial was handed to the launcher."""

    number: int
    attempt: int
    folder: str  # relative to the study folder
    params: dict[str, Any]
    overrides: list[str]
    time: float = 0.0
    repeats: int | None = None  # the failed trial that it repeats


class StudyFolder:
    """One study's folder; ``claim`` it before writing."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None
        self._ledger: int | None = None
        self._tail, self._submitted = Tail(self.path / LEDGER), dict[int, Submission]()
        self._made: list[Path] = []  # folders that claiming made, the innermost first

    @property
    def exists(self) -> bool:
        return (self.path / STUDY).exists() or (self.path / COPY).exists()

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
        self._lock = fd
        me = f"{os.uname().nodename} {os.getpid()}\n".encode()
        try:
            os.pwrite(fd, me, 0)  # where a disk is full, over what is there already
            os.ftruncate(fd, len(me))
        except OSError as error:
            self.release()
            if self._made:
                self.discard()
            raise unwritable(self.path, error) from error
        return True

    def holder(self) -> str:
        """Host and process id of the orchestrator that holds the lock, as it wrote them."""
        try:
            return (self.path / LOCK).read_text(errors="replace").strip() or "unknown"
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
        """What was asked, from ``study.yaml`` or else its copy; ConfigError if neither can be read."""
        sealed = (read_yaml(self.path / name, sealed=True) for name in (STUDY, COPY))
        asked = next((found for found in sealed if _is_study(found)), None) or read_yaml(self.path / STUDY)
        if isinstance(asked, Exception):
            raise ConfigError(f"{self.path / STUDY} must be readable YAML, got: {words(asked)[:300]}") from asked
        if not _is_study(asked):
            raise ConfigError(
                f"{self.path / STUDY} must hold a study, got no study_id; restore the file or start afresh"
            )
        return dict(asked)

    def write(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Found the study: record what was asked, under a fresh id."""
        full = {"study_id": uuid.uuid4().hex, "created": time.time(), **asked}
        text = seal(yaml.dump(full, sort_keys=False, allow_unicode=True, width=110))
        replace(self.path / STUDY, text)
        replace(self.path / COPY, text)
        return full

    def check_same(self, asked: Mapping[str, Any], recorded: Mapping[str, Any]) -> None:
        """ConfigError that shows the difference if the command asks another study than the folder holds."""
        for field in IDENTITY:
            if field == "config" and field not in recorded:  # of an older version
                continue
            old, new = recorded.get(field), asked[field]
            if _unspaced(old) != _unspaced(new):
                what = "command" if field == "fixed" else field
                raise ConfigError(
                    f"{self.path.name} was started with another {what}, now {_difference(old, new)}; "
                    "give the same one to resume it, or another hydra.sweep.dir or "
                    "hydra.sweeper.study_name to start afresh"
                )

    def log_submission(
        self,
        number: int,
        attempt: int,
        folder: str,
        params: Mapping[str, Any],
        overrides: list[str],
        repeats: int | None = None,
    ) -> None:
        """Put on the ledger that an attempt is handed to the launcher; ``repeats`` is the failed trial it repeats."""
        if self._ledger is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._ledger = os.open(self.path / LEDGER, flags, 0o644)
            size = os.fstat(self._ledger).st_size
            if size and os.pread(self._ledger, 1, size - 1) != b"\n":
                os.write(self._ledger, b"\n")  # a last line was torn: the next one stands alone
        line = {"time": time.time(), "number": number, "attempt": attempt, "folder": folder}
        again = {} if repeats is None else {"repeats": repeats}
        append_line(self._ledger, {**line, "params": dict(params), "overrides": overrides, **again})

    def submissions(self) -> dict[int, Submission]:
        """The last submission of each trial number."""
        for line in self._tail.read():  # of ten thousand lines those that came since the last call
            if (submission := as_submission(line)) is not None:
                self._submitted[submission.number] = submission
        return dict(self._submitted)

    def trial_folder(self, folder: str) -> Path:
        return self.path / folder

    def begin(self) -> None:
        """A study that runs again has not ended."""
        (self.path / END).unlink(missing_ok=True)

    def end(self, state: str, reason: str | None) -> None:
        replace(self.path / END, json.dumps({"state": state, "reason": reason, "time": time.time()}))

    def set_aside(self, name: str, *, copied: bool = False) -> str:
        """Keep a file that can't be read under another name, which is returned; as a copy, for one that is replaced."""
        number = 0
        while (aside := self.path / f"{name}.corrupt{f'-{number + 1}' if number else ''}").exists():
            number += 1
        if copied:
            shutil.copy2(self.path / name, aside)
        else:
            (self.path / name).rename(aside)
        if name == LEDGER:
            self._tail, self._submitted = Tail(self.path / LEDGER), {}
        return aside.name


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


def too_long(name: str) -> ConfigError:
    """A trial's folder that the file system would refuse, as one line."""
    return ConfigError(
        f"hydra.sweep.subdir must give a name that the file system takes, got one too long: {name[:100]}…; try "
        "hydra.sweep.subdir='${hydra.job.num}', or name the keys to leave out in "
        "hydra.job.config.override_dirname.exclude_keys"
    )


def unwritable(path: Path, error: OSError) -> ConfigError:
    """A disk's refusal as one line: what it means for the study, and the repair."""
    if error.errno == errno.ENAMETOOLONG:
        return too_long(str(error.filename))
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


def _unspaced(value: Any) -> Any:
    """Without the blanks beside punctuation, which Hydra's grammar does not read, but for those in quotes."""
    if isinstance(value, dict):
        return {key: _unspaced(text) for key, text in value.items()}
    if isinstance(value, list):
        return [_unspaced(text) for text in value]
    return _BLANKS.sub(lambda found: found[1] or found[2] or "", value) if isinstance(value, str) else value


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


def as_submission(line: Mapping[str, Any]) -> Submission | None:
    """A line of the ledger; None for anything else, or for one that leads out of the study's folder."""
    number, attempt, folder, when, repeats = (line.get(k) for k in ("number", "attempt", "folder", "time", "repeats"))
    params, overrides = line.get("params") or {}, line.get("overrides") or []
    whole = all(type(n) is int and n >= 0 for n in (number, attempt)) and type(repeats) in (int, type(None))
    kinds = isinstance(params, dict) and isinstance(overrides, list) and isinstance(when, int | float)
    if not (whole and kinds and isinstance(folder, str)) or os.path.isabs(folder) or ".." in Path(folder).parts:
        return None
    return Submission(number, attempt, folder, params, overrides, when, repeats)  # type: ignore[arg-type]


def seal(text: str) -> str:
    """YAML with a last line, a comment, that tells whether the rest is as it was written."""
    return f"{text}{SEAL.decode()}{zlib.crc32(text.encode()):08x}\n"


def read_yaml(path: Path, *, sealed: bool = False) -> Any:
    """A YAML file's content, or the exception that tells why there is none: none either behind a broken seal."""
    try:
        data = path.read_bytes()
        body, mark, check = data.rpartition(SEAL)
        if (mark and check != b"%08x\n" % zlib.crc32(body)) or (sealed and not mark):
            raise ValueError("it is not as it was written, its checksum says")
        return yaml.load(data.decode("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except Exception as error:  # of PyYAML's constructors, random bytes raise nearly any
        return error


def _is_study(asked: Any) -> bool:
    if not isinstance(asked, dict) or not asked.get("study_id"):
        return False
    texts = all(isinstance(asked.get(key), str | None) for key in _TEXTS)
    lists = all(isinstance(asked.get(key), list | None) for key in ("directions", "fixed", "argv"))
    maps = all(isinstance(asked.get(key), dict | None) for key in ("space", "tracking", "sampler"))
    return texts and lists and maps and isinstance(asked.get("created"), float | int | None)
