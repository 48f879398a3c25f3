"""How we speak to a person: one line on stderr, and values, folders and times as tables show them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

drawn_on: Console | None = None  # while a live table is: lines go above it


def say(text: str) -> None:
    """One line to a person, on stderr; stdout is for results."""
    if drawn_on is not None:
        drawn_on.print(f"[dim]sweeper:[/] {escape(text)}", highlight=False)
    else:
        print(f"sweeper: {text}", file=sys.stderr, flush=True)


def short(value: Any) -> str:
    """A value in a table: numbers to three significant digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "null" if value is None else str(value)


def assignments(params: Mapping[str, Any]) -> str:
    return " ".join(f"{k}={short(v)}" for k, v in params.items())


def shown_path(folder: str | None) -> str:
    return "unknown" if folder is None else os.path.relpath(folder)


def escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
