"""Launchers: where trials run. One small protocol, so that the loop is the same for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Job:
    """One attempt at a trial, as the loop hands it to a launcher."""

    number: int
    attempt: int
    overrides: tuple[str, ...]
    folder: Path  # the trial's folder, absolute
    sweep_dir: str


@dataclass(frozen=True)
class Exit:
    """An attempt's process is gone. ``reason`` says why where it can't have said so itself, else None."""

    number: int
    attempt: int
    reason: str | None = None
    lost: bool = False  # died by a signal or with its machine: worth another attempt


class Slots(Protocol):
    """What the loop needs of a launcher: submit while ``free``, wait for exits, stop."""

    @property
    def free(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def wait(self, timeout_s: float) -> list[Exit]:
        """Exits since the last call; returns early on the first."""
        ...

    def stop(self, grace_s: float) -> list[Exit]:
        """Ask the running attempts to stop, kill those that don't within ``grace_s``; their exits."""
        ...

    def close(self) -> None:
        """Leave no process behind."""
        ...
