"""The record of a process that keeps none: rank 1 and up of a trial that is several processes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeper.folder import COMPLETE, INTERRUPTED, Attempt, End, rank_end_path, replace


class Silent(Attempt):
    """Says nothing but how it failed, in a file of its own: rank 0 may learn no more than that a connection broke."""

    def __init__(self, folder: Path, attempt: int, rank: int) -> None:
        self.folder = folder
        self.number = attempt
        self.rank = rank
        self._fd = 0

    def _say(self, event: str, **fields: Any) -> None:
        pass

    def end(self, state: str, values: Sequence[float] | None = None, reason: str | None = None) -> None:
        self._fd = -1
        if state not in (COMPLETE, INTERRUPTED):
            fail(self.folder, self.number, self.rank, End(state, None, reason))

    def part_stopped(self) -> bool:
        return False

    def stop_reason(self) -> str | None:
        return None

    @property
    def superseded(self) -> bool:
        return False


def fail(folder: Path, attempt: int, rank: int, end: End) -> None:
    """Leave word of a failure; the first one stays."""
    path = rank_end_path(folder, attempt, rank)
    if not path.exists():
        replace(path, json.dumps(vars(end), ensure_ascii=False))
