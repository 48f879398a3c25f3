"""The command that a worker runs again: what a fresh interpreter needs to stand where this process stands."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    """What a fresh interpreter needs to stand where this process stands; picklable without the program.

    Either ``program`` (a script's path) or ``module`` (of ``python -m``) is to be run again. Where both are None
    no command line starts the task function (a notebook, a test, an importable module): ``state`` holds it.
    """

    program: str | None
    module: str | None
    arguments: tuple[str, ...]
    cwd: str  # where the command was given
    path: tuple[str, ...]
    flags: tuple[str, ...]  # of the interpreter
    door: str | None  # name of the task function whose sweep this is
    objectives: int | None
    state: bytes = field(repr=False)
    root: str | None = None  # where ``module`` is found, if not in ``cwd``

    def interpreter(self) -> list[str]:
        """The command line of a worker, which reads the pickles of ``self`` and of a ``Run`` from stdin.

        ``-P`` keeps the current folder off its path: a file there must not stand in for one of ours.
        """
        return [sys.executable, *self.flags, "-P", "-m", "sweeper.study.launchers.worker"]
