"""sweeper: the careful way to train a network, made the easy one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sweeper.errors import ConfigError
from sweeper.space_node import without_space
from sweeper.trial.ending import Pruned
from sweeper.trial.report import artifact, report

if TYPE_CHECKING:
    from sweeper.trial.check import CheckFailed, check

__all__ = ["CheckFailed", "ConfigError", "Pruned", "artifact", "check", "report", "without_space"]


def __getattr__(name: str) -> Any:
    if name in ("check", "CheckFailed"):  # imports torch: only where it is used
        from sweeper.trial import check

        return getattr(check, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
