"""A sweep while it runs: a live table on a terminal, one line a trial elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweeper.folder import COMPLETE, FAIL, PRUNED, End
from sweeper.study.view import terminal
from sweeper.study.view.results import Results
from sweeper.study.view.terminal import assignments, say, short, shown_path, write_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_COLOURS = {COMPLETE: "green", PRUNED: "yellow", FAIL: "red"}


class View:
    """The sweep while it runs. The live table is drawn by the loop itself: no thread, so that we may fork."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._live: Live | None = None
        self.total = results.total
        self.metric = results.asked["metric"]
        self._ended = 0
        self._began = time.monotonic()

    def begin(self) -> None:
        counts = self.results.counts
        done = sum(counts.values())
        self._began = time.monotonic()
        where = os.path.relpath(self.results.folder.path)
        if done:
            say(f"resuming {where}: {done} of {self.total} trials have ended")
        else:
            say(f"{self.total} trials in {where}, {', '.join(self.results.asked['directions'])} {self.metric}")
        if getattr(sys.stderr, "isatty", bool)():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
            terminal.drawn_on = self._live.console

    def trial_ended(self, number: int, end: End, params: Mapping[str, Any], seconds: float) -> None:
        self._ended += 1
        if self._live is None:
            value = "" if not end.values else f" {self.metric}={' '.join(short(v) for v in end.values)}"
            reason = f" {end.reason}" if end.reason else ""
            line = f"trial {number:04d} {end.state}{value}{reason} {seconds:.1f} s  {assignments(params)}"
            write_line(line, sys.stderr)

    def refresh(self, *, running: Mapping[int, Mapping[str, Any]], queued: Mapping[int, str]) -> None:
        """``queued`` are those of the ``running`` that wait for a machine, and what for."""
        if self._live is not None:
            self._live.update(self._table(running, queued), refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = terminal.drawn_on = None

    def _table(self, running: Mapping[int, Mapping[str, Any]], queued: Mapping[int, str]) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        counts = self.results.counts
        done = sum(counts.values())
        elapsed = time.monotonic() - self._began
        head = Table.grid(padding=(0, 2))
        states = Text.assemble(*((f"{n} {s.lower()}  ", _COLOURS[s]) for s, n in counts.items() if n or s == COMPLETE))
        begun = {number: params for number, params in running.items() if number not in queued}
        waiting = f"{len(running) - len(begun)} queued  " if len(begun) < len(running) else ""
        states.append(f"{len(begun)} running  {waiting}{max(0, self.total - done - len(running))} to go", "dim")
        head.add_row(ProgressBar(total=self.total, completed=done, width=28), f"{done}/{self.total}", states)
        if self._ended:
            left_s = (self.total - done) / self._ended * elapsed
            speed = Text(f"{self._ended / elapsed * 60:.0f} trials/min, {_duration(left_s)} left", "dim")
        else:
            speed = Text("waiting for the first trial", "dim")
        lines: list[RenderableType] = [head, speed]
        for best in self.results.latest[:1]:
            value = short(best["value"]) if "value" in best else " ".join(map(short, best["values"]))
            line = Text.assemble(("best ", "bold"), (f"{self.metric} {value}", "bold green"))
            line.append(f"  {assignments(best['params'])}  ")
            line.append(shown_path(best["folder"]), "dim")
            lines.append(line)
        if self.results.failures:
            why = f"last failure: {self.results.last_failure()}"
            lines.append(Text(why, _COLOURS[FAIL], no_wrap=True, overflow="ellipsis"))
        for number, params in sorted(begun.items())[:8]:
            lines.append(Text(f"  {number:04d} {assignments(params)}", "dim", no_wrap=True, overflow="ellipsis"))
        for reason, n in Counter(filter(None, queued.values())).most_common(3):
            lines.append(Text(f"  {n} queued: {reason}", "dim", no_wrap=True, overflow="ellipsis"))
        return Group(*lines)


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
