"""A progress bar on stderr for what takes longer than a moment; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
SHORT = 2000  # fewer items are done before a bar could be read


def progress(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Pass the items on, showing how many of ``total`` are done."""
    if total < SHORT or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)
