"""Launchers: where trials run. One small protocol, so that the loop is the same for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Resolved = tuple[tuple[str, tuple[str, ...], Any], ...]
"""Resolvers that are asked once, each with its arguments as written and what it said."""


@dataclass(frozen=True)
class Job:
    """One attempt at a trial, as the loop hands it to a launcher."""

    number: int
    attempt: int
    overrides: tuple[str, ...]
    folder: Path  # the trial's folder, absolute
    sweep_dir: str
    resolved: Resolved = ()  # what its config has said already, to name the folder


@dataclass(frozen=True)
class Exit:
    """An attempt's process is gone. ``reason`` says why where it can't have said so itself, else None."""

    number: int
    attempt: int
    reason: str | None = None
    lost: bool = False  # died by a signal or with its machine: worth another attempt
    cancelled: bool = False  # by its own study: attempted again without being held against it


class Slots(Protocol):
    """What the loop needs of a launcher: submit while ``free``, wait for exits, stop."""

    outlives: bool
    """Whether attempts run on when this process ends, to be adopted by the next."""

    def preflight(self, examples: Sequence[Sequence[str]]) -> None:
        """ConfigError for what can't run, before anything is written; ``examples`` are trials of each combination."""
        ...

    def open(self, study: Path) -> dict[str, Any]:
        """The study's folder is claimed: make ready, and say what belongs into its file."""
        ...

    def plan(self, overrides: Sequence[str], trials: int) -> str:
        """What would be started, for a dry run; empty where the trials say it all."""
        ...

    @property
    def free(self) -> int: ...

    @property
    def queued(self) -> Mapping[int, str]:
        """Trials that were submitted and don't run yet, each with what it waits for, empty if that is unknown."""
        ...

    def submit(self, job: Job) -> None: ...

    @property
    def held_back(self) -> int:
        """Submitted trials that have not left us yet."""
        ...

    def adopt(self, job: Job) -> bool:
        """Take over an attempt that a former orchestrator submitted; False where there is none to wait for."""
        ...

    def wait(self, timeout_s: float) -> list[Exit]:
        """Exits since the last call; returns early on the first."""
        ...

    @property
    def settled(self) -> bool:
        """Whether nothing is in hand: all that was submitted is on its way, all that has ended was said."""
        ...

    def stop(self, grace_s: float) -> list[Exit]:
        """Ask the running attempts to stop, kill those that don't within ``grace_s``; their exits."""
        ...

    def cancel(self) -> None:
        """End what runs on without us, to be resumed; nothing where nothing does."""
        ...

    def close(self) -> None:
        """Leave no process behind."""
        ...
