"""What a person sees of a sweep: a live table on a terminal, one line a trial elsewhere, tables at the end."""

from __future__ import annotations

import logging
import math
import os
import shlex
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweeper.folder import COMPLETE, FAIL, PRUNED, End
from sweeper.study.provenance import command_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sweeper.study.results import Results

log = logging.getLogger("sweeper")
_COLOURS = {COMPLETE: "green", PRUNED: "yellow", FAIL: "red"}


def say(text: str) -> None:
    """One line to a person, on stderr; stdout is for results."""
    if View.live is not None:
        View.live.console.print(f"[dim]sweeper:[/] {_escape(text)}", highlight=False)
    else:
        print(f"sweeper: {text}", file=sys.stderr, flush=True)


def short(value: Any) -> str:
    """A value in a table: numbers to three significant digits."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "null" if value is None else str(value)


def assignments(params: Mapping[str, Any]) -> str:
    return " ".join(f"{k}={short(v)}" for k, v in params.items())


class View:
    """The sweep while it runs. The live table is drawn by the loop itself: no thread, so that we may fork."""

    live: Any = None

    def __init__(self, results: Results) -> None:
        self.results = results
        self.n_trials = results.n_trials
        self.metric = results.asked["metric"]
        self._ended = 0
        self._began = time.monotonic()
        self._best: dict[str, Any] | None = None
        self._stale = True

    def begin(self) -> None:
        counts = self.results.counts
        done = sum(counts.values())
        self._began = time.monotonic()
        where = os.path.relpath(self.results.folder.path)
        if done:
            say(f"resuming {where}: {done} of {self.n_trials} trials have ended")
        else:
            say(f"{self.n_trials} trials in {where}, {', '.join(self.results.asked['directions'])} {self.metric}")
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            View.live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            View.live.start()

    def trial_ended(self, number: int, end: End, params: Mapping[str, Any], seconds: float) -> None:
        self._ended += 1
        self._stale = True
        if View.live is None:
            value = "" if not end.values else f" {self.metric}={' '.join(short(v) for v in end.values)}"
            reason = f" {end.reason}" if end.reason else ""
            line = f"trial {number:04d} {end.state}{value}{reason} {seconds:.1f} s  {assignments(params)}"
            print(line, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        say(text)

    def refresh(self, *, running: Mapping[int, Mapping[str, Any]]) -> None:
        if View.live is not None:
            if self._stale:
                best = self.results.best()
                self._best = best[0] if best else None
                self._stale = False
            View.live.update(self._table(running), refresh=True)

    def close(self) -> None:
        if View.live is not None:
            View.live.stop()
            View.live = None

    def _table(self, running: Mapping[int, Mapping[str, Any]]) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        counts = self.results.counts
        done = sum(counts.values())
        elapsed = time.monotonic() - self._began
        head = Table.grid(padding=(0, 2))
        states = Text.assemble(*((f"{n} {s.lower()}  ", _COLOURS[s]) for s, n in counts.items() if n or s == COMPLETE))
        states.append(f"{len(running)} running  {max(0, self.n_trials - done - len(running))} to go", "dim")
        head.add_row(ProgressBar(total=self.n_trials, completed=done, width=28), f"{done}/{self.n_trials}", states)
        if self._ended:
            left_s = (self.n_trials - done) / self._ended * elapsed
            speed = Text(f"{self._ended / elapsed * 60:.0f} trials/min, {_duration(left_s)} left", "dim")
        else:
            speed = Text("waiting for the first trial", "dim")
        lines: list[RenderableType] = [head, speed]
        if self._best is not None:
            value = short(self._best["value"]) if "value" in self._best else " ".join(map(short, self._best["values"]))
            best = Text.assemble(("best ", "bold"), (f"{self.metric} {value}", "bold green"))
            best.append(f"  {assignments(self._best['params'])}  ")
            best.append(_where(self._best["folder"]), "dim")
            lines.append(best)
        for number, params in sorted(running.items())[:8]:
            lines.append(Text(f"  {number:04d} {assignments(params)}", "dim", no_wrap=True, overflow="ellipsis"))
        return Group(*lines)


def show_results(results: Results, state: str, reason: str | None, *, tracked: tuple[str | None, str | None]) -> None:
    """The closing tables on stdout: best trials, failures, how to look further.

    ``tracked``: the command that serves MLflow's pages, or the server's page; and this study's page.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    best = results.best()
    metric = results.asked["metric"]
    if best:
        names = list(dict.fromkeys(k for b in best for k in b["params"]))
        title = f"best of {sum(results.counts.values())} trials" if "value" in best[0] else "Pareto front"
        table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        directions = results.asked["directions"]
        values = [metric] if len(directions) == 1 else [f"{i}: {d}" for i, d in enumerate(directions)]
        others = [m for m in best[0]["metrics"] if m.startswith("val_") and m != metric][:3]
        for name in ["trial", *values, *others, *names, "folder"]:
            table.add_column(name, header_style="dim", overflow="fold")
        for b in best[:20]:
            shown = [b["value"]] if "value" in b else b["values"]
            drawn = [_escape(short(b["params"][n])) if n in b["params"] else "" for n in names]
            measured = [short(b["metrics"].get(m, "")) for m in others]
            table.add_row(f"{b['number']:04d}", *map(short, shown), *measured, *drawn, _escape(_where(b["folder"])))
        console.print(table)
    if results.failures:
        failed = Table(title="failed", title_justify="left", title_style="bold red", box=None, padding=(0, 2, 0, 0))
        for name in ("trial", "reason", "folder"):
            failed.add_column(name, header_style="dim", overflow="fold")
        for f in list(results.failures.values())[:10]:
            failed.add_row(f"{f['number']:04d}", _escape(f["reason"]), _escape(_where(f["folder"])))
        console.print(failed)
        if len(results.failures) > 10:
            console.print(f"… and {len(results.failures) - 10} more in optimization_results.yaml")
    where = os.path.relpath(results.folder.path)
    counts = ", ".join(f"{n} {s.lower()}" for s, n in results.counts.items() if n or s == COMPLETE)
    print(f"{state.lower()}: {counts}{f'; {reason}' if reason and state != 'FAIL' and reason != state.lower() else ''}")
    if state == "FAIL" and reason:
        say(reason)
    print(f"results  {os.path.join(where, 'optimization_results.yaml')}")
    if best and best[0]["command"]:
        print(f"rerun    {best[0]['command']}")
    for name, address in zip(("compare", "page"), dict.fromkeys(tracked), strict=False):
        if address is not None:
            print(f"{name:<8} {address}")
    if state == "RUNNING":
        folder = shlex.quote(where)
        say(f"jobs run on without this process; python -m sweeper status {folder} shows them")
        print(f"collect  python -m sweeper collect {folder}")
        print(f"cancel   python -m sweeper cancel {folder}")
        print(f"wait     {command_line(**results.resume, hydra__sweeper__detach='false')}", flush=True)
    elif state == "INTERRUPTED":
        print(f"resume   {command_line(**results.resume)}", flush=True)
    else:
        more = results.n_trials * 2
        print(f"extend   {command_line(**results.resume, hydra__sweeper__n_trials=more)}", flush=True)


def _where(folder: str | None) -> str:
    return "unknown" if folder is None else os.path.relpath(folder)


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
