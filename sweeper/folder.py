"""The trial folder: names and formats, the one thing that study and trial both know.

A trial folder holds, beside Hydra's ``.hydra/``::

    events.0.jsonl   what attempt 0 said: start, metrics, artifact, end (one JSON object a line)
    end.0.json       what its reaper said, where the attempt died without an ``end`` of its own
    output.0.log     its stdout and stderr, where the launcher redirects them (output.0.rank1.log: of its process 1)
    rank1.0.json     how its process 1 failed, where a trial is several processes; process 0 keeps the record
    stop.0           the study asks attempt 0 to stop; its text is the reason
    checkpoint.pt    attempt 0's, written beside and renamed; a later attempt n goes on from it in checkpoint.n.pt

Each attempt writes files of its own, so a requeued job and a zombie of its predecessor never share one.
Lines are appended with a single ``write`` and end with a checksum of their own: a torn or corrupted one is skipped,
the others count. Times are seconds since the epoch.
Metric values are JSON numbers, or NaN, Infinity and -Infinity as Python's ``json`` writes them.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import words
from sweeper.lines import Tail, append_line, read_line
from sweeper.masked import masked

COMPLETE = "COMPLETE"
PRUNED = "PRUNED"
FAIL = "FAIL"
INTERRUPTED = "INTERRUPTED"  # stopped from outside, resumable: its number is attempted again
LOST = "LOST"  # died without a word (signal, node): attempted again up to `retries`

SETTLED = (COMPLETE, PRUNED, FAIL)  # the others may be attempted again
ENDS = (*SETTLED, INTERRUPTED, LOST)

NO_SPACE = os.EX_IOERR  # how a trial's process exits where its disk was full; what it recorded has no end then

_ATTEMPT_FILE = re.compile(r"(?:events|end|output)\.(\d+)\.(?:jsonl|json|log)")


def events_path(folder: Path, attempt: int) -> Path:
    return folder / f"events.{attempt}.jsonl"


def end_path(folder: Path, attempt: int) -> Path:
    return folder / f"end.{attempt}.json"


def output_path(folder: Path, attempt: int, rank: int = 0) -> Path:
    return folder / (f"output.{attempt}.rank{rank}.log" if rank else f"output.{attempt}.log")


def rank_end_path(folder: Path, attempt: int, rank: int) -> Path:
    return folder / f"rank{rank}.{attempt}.json"


def stop_path(folder: Path, attempt: int) -> Path:
    return folder / f"stop.{attempt}"


def checkpoint_path(folder: Path, attempt: int) -> Path:
    return folder / ("checkpoint.pt" if attempt == 0 else f"checkpoint.{attempt}.pt")


def attempts(folder: Path) -> list[int]:
    """Numbers of the attempts on record, in order; empty for a folder that does not exist."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted({int(m[1]) for name in names if (m := _ATTEMPT_FILE.fullmatch(name))})


def claim(folder: Path) -> int:
    """Take the next attempt's number for a process that is about to start; no other can take the same."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        number = max(attempts(folder), default=-1) + 1
        try:
            os.close(os.open(output_path(folder, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            return number
        except FileExistsError:
            continue


def replace(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write ``content`` beside ``path`` and rename: a reader sees the old file or the new one, whole.

    ``private`` is for its owner alone: a command line may hold a password.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        mode = 0o600 if private else 0o666
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content.encode(errors="replace") if isinstance(content, str) else content)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def disk_full(error: BaseException | None, folder: Path) -> bool:
    """Whether an error is the disk's, which passes: another attempt may help. Not all who meet it say so by number."""
    while error is not None:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or (isinstance(error, Exception) and "No space left on device" in words(error)):  # safetensors' words
            return True
        error = error.__cause__ or error.__context__  # torch raises another error on its way out
    try:
        return not os.statvfs(folder).f_bavail
    except OSError:
        return False


@dataclass
class End:
    """How an attempt ended: ``state`` is one of this module's five, ``values`` the objectives in order."""

    state: str
    values: list[float] | None = None
    reason: str | None = None
    time: float = field(default_factory=time.time)


@dataclass
class AttemptRecord:
    """One attempt as read back; ``end`` is None while it runs, or where it died without anyone seeing."""

    attempt: int
    start: dict[str, Any]
    metrics: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]
    end: End | None


def as_end(event: Mapping[str, Any]) -> End | None:
    """An end as it was written; None for anything else."""
    state, values, reason, when = (event.get(key) for key in ("state", "values", "reason", "time"))
    numbers = values is None or (isinstance(values, list) and all(isinstance(v, int | float) for v in values))
    if state not in ENDS or not numbers or not isinstance(reason, str | None) or not isinstance(when, int | float):
        return None
    return End(state, values, reason, when)


def read_end(folder: Path, attempt: int) -> End | None:
    """The reaper's word on an attempt that died without its own."""
    return _read_end(end_path(folder, attempt))


def _read_end(path: Path) -> End | None:
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
        return as_end(event) if isinstance(event, dict) else None
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def write_end(folder: Path, attempt: int, end: End) -> None:
    """Record the reaper's word; called once the attempt's process is known to be gone."""
    folder.mkdir(parents=True, exist_ok=True)
    replace(end_path(folder, attempt), json.dumps(vars(end), ensure_ascii=False))


def rank_failed(folder: Path, attempt: int) -> End | None:
    """The first failure among the processes of an attempt but its first, as the end that it means."""
    ends = []
    for path in folder.glob(f"rank*.{attempt}.json"):
        end = _read_end(path)
        if end is None:
            continue
        end.reason = f"{path.name.partition('.')[0].replace('rank', 'rank ')}: {end.reason}"
        ends.append(end)
    return min(ends, key=lambda end: end.time, default=None)


def read_attempt(folder: Path, attempt: int) -> AttemptRecord:
    """Read one attempt whole; what the attempt itself said of its end goes before its reaper's word."""
    record = AttemptRecord(attempt, {}, [], [], None)
    for event in Tail(events_path(folder, attempt)).read():
        match event.get("event"):
            case "start":
                record.start = event
            case "metrics":
                record.metrics.append(event)
            case "artifact":
                record.artifacts.append(event)
            case "end":
                record.end = as_end(event) or record.end
    if record.end is None:
        record.end = read_end(folder, attempt)
    return record


def last_word(folder: Path, attempt: int) -> End | None:
    """How an attempt ended, read from the end of its file: what an attempt says last is its end."""
    try:
        with open(events_path(folder, attempt), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        lines = []
    events = (event for line in reversed(lines) if line and (event := read_line(line)))
    return next((end for event in events if event.get("event") == "end" and (end := as_end(event))), None) or read_end(
        folder, attempt
    )


def counted_end(folder: Path, *, since: int = 0) -> End | None:
    """The end that counts among a trial's attempts from ``since`` on: the first final one."""
    for attempt in attempts(folder):
        if attempt < since:
            continue
        end = read_attempt(folder, attempt).end
        if end is not None and end.state in SETTLED:
            return end
    return None


def log_tail(folder: Path, attempt: int, *, lines: int = 20, bytes_: int = 4096) -> str:
    """The last lines that an attempt printed, at most ``bytes_``; empty where nothing was captured."""
    try:
        with open(output_path(folder, attempt), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - bytes_))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return masked("\n".join(text.splitlines()[-lines:]))


class Attempt:
    """The writer's side: one attempt at a trial, appending to a file that no other attempt shares."""

    def __init__(self, folder: Path, attempt: int | None = None, *, joins: bool = False) -> None:
        """Claim attempt number ``attempt`` (the next free one if None); FileExistsError if it is taken.

        A process that the attempt's own has started ``joins`` it: it adds to the record, and begins and ends nothing.
        """
        self._keeper = None if joins else os.getpid()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        while True:
            self.number = attempt if attempt is not None else max(attempts(folder), default=-1) + 1
            try:
                self._path = events_path(folder, self.number)
                self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND) if joins else _create(self._path)
                break
            except FileExistsError:
                if attempt is not None:
                    raise
        self._stop = os.fspath(stop_path(folder, self.number))
        self._next = os.fspath(output_path(folder, self.number + 1))

    def _say(self, event: str, **fields: Any) -> None:
        try:
            os.stat(self._path)
        except FileNotFoundError:
            self._return()
        append_line(self._fd, {"event": event, "time": time.time(), **fields})

    def _return(self) -> None:
        """The app has cleared its folder, or moved it: what was said so far is said there again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fd = _create(self._path)
        os.write(fd, os.pread(self._fd, os.fstat(self._fd).st_size, 0))
        os.close(self._fd)
        self._fd = fd

    def start(self, **fields: Any) -> None:
        """Say who runs this and what: ``number``, ``config`` (flat), ``overrides``, ``commit`` …"""
        self._say("start", attempt=self.number, pid=os.getpid(), host=socket.gethostname(), **fields)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._say("metrics", step=step, values=dict(values))

    def artifact(self, path: str) -> None:
        """Name a file in the folder (relative path) that belongs to the record."""
        self._say("artifact", path=path)

    def tags(self, values: Mapping[str, str]) -> None:
        """Name what the trial is or found, in words."""
        self._say("tags", values=dict(values))

    def end(self, state: str, values: Sequence[float] | None = None, reason: str | None = None) -> None:
        self._say("end", state=state, values=list(values) if values is not None else None, reason=reason)
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    @property
    def ended(self) -> bool:
        return self._fd < 0

    def stop_reason(self) -> str | None:
        """Why the study wants this attempt to stop, or None; costs one ``stat``."""
        if not os.path.exists(self._stop):
            return None
        return Path(self._stop).read_text(encoding="utf-8") or "stopped"

    def heed_stop(self) -> None:
        """Let the process that keeps the record know, if this is another, that this one ends as the study asked."""
        if self._keeper != os.getpid():
            self._say("stopped")

    def part_stopped(self) -> bool:
        """Whether one has ended so."""
        return any(event.get("event") == "stopped" for event in Tail(self._path).read())

    @property
    def superseded(self) -> bool:
        """Whether a later attempt has begun: this one's node was thought lost. Costs one ``stat``."""
        return os.path.exists(self._next)


def _create(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)


def request_stop(folder: Path, attempt: int, reason: str) -> None:
    replace(stop_path(folder, attempt), reason)
