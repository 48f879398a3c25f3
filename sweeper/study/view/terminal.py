"""How we speak to a person: one line on stderr, and values, folders and times as tables show them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

drawn_on: Console | None = None  # while a live table is: lines go above it


def say(text: str) -> None:
    """One line to a person, on stderr; stdout is for results."""
    if drawn_on is not None:
        drawn_on.print(f"[dim]sweeper:[/] {escape(text)}", highlight=False)
    else:
        write_line(f"sweeper: {text}", sys.stderr)


def result(text: str) -> None:
    """A line of results, on stdout."""
    write_line(text, sys.stdout)


def write_line(text: str, stream: TextIO) -> None:
    """A line that doesn't end a sweep where nobody reads it any more, or not these letters."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError:  # what comes after it goes nowhere, and the interpreter's end finds nothing to complain of
        with suppress(AttributeError, OSError), open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())


def open_streams() -> None:
    """Standard streams that whoever started us has closed lead nowhere, and not to the next file that is opened."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


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
