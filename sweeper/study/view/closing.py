"""A sweep that has ended: its best trials, its failures, and how to look further."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweeper.folder import COMPLETE
from sweeper.study.view.results import Results
from sweeper.study.view.terminal import escape, result, say, short, shown_path

if TYPE_CHECKING:
    from rich.table import Table

ROWS = 10  # reasons of failures shown
UNFOLDED = 10_000  # columns of a file


def show_results(results: Results, state: str, reason: str | None, *, tracked: tuple[str | None, str | None]) -> None:
    """The closing tables on stdout: best trials, failures, how to look further.

    ``tracked``: the command that serves MLflow's pages, or the server's page; and this study's page.
    """
    best = results.best()
    if best:
        _print(_best_table(results, best, folders=True), _best_table(results, best, folders=False))
    if results.failures:
        _print(_failed_table(results))
    where = os.path.relpath(results.folder.path)
    counts = ", ".join(f"{n} {s.lower()}" for s, n in results.counts.items() if n or s == COMPLETE)
    others = f"; {reason}" if reason and state != "FAIL" and reason != state.lower() else ""
    result(f"{state.lower()}: {counts}{others}")
    if state == "FAIL" and reason:
        say(reason)
    result(f"results  {os.path.join(where, 'optimization_results.yaml')}")
    if best and best[0]["command"]:
        result(f"rerun    {best[0]['command']}")
    for name, address in zip(("compare", "page"), dict.fromkeys(tracked), strict=False):
        if address is not None:
            result(f"{name:<8} {address}")
    if state == "RUNNING":
        folder = shlex.quote(where)
        say(f"jobs run on without this process; python -m sweeper status {folder} shows them")
        result(f"collect  python -m sweeper collect {folder}")
        result(f"cancel   python -m sweeper cancel {folder}")
        result(f"wait     {results.again(hydra__sweeper__detach='false')}")
    elif state == "INTERRUPTED":
        result(f"resume   {results.again()}")
    else:
        if results.failures and results.typed:
            result(f"retry    python -m sweeper retry {shlex.quote(where)}")
        if results.counts[COMPLETE] and (results.size is None or results.total < results.size):
            more = results.n_trials * 2
            result(f"extend   {results.again(hydra__sweeper__n_trials=more)}")


def _best_table(results: Results, best: Sequence[Mapping[str, Any]], *, folders: bool) -> Table:
    names = list(dict.fromkeys(k for b in best for k in b["params"]))
    title = f"best of {sum(results.counts.values())} trials" if "value" in best[0] else "Pareto front"
    metric, directions = results.asked["metric"], results.asked["directions"]
    values = [metric] if len(directions) == 1 else [f"{i}: {d}" for i, d in enumerate(directions)]
    others = [m for m in best[0]["metrics"] if m.startswith("val_") and m != metric][:3]
    table = _table(title, "bold", "trial", *values, *others, *names, *["folder"][:folders])
    for b in best[:20]:
        shown = [b["value"]] if "value" in b else b["values"]
        drawn = [escape(short(b["params"][n])) if n in b["params"] else "" for n in names]
        measured = [short(b["metrics"].get(m, "")) for m in others]
        where = [escape(shown_path(b["folder"]))][:folders]
        table.add_row(f"{b['number']:04d}", *map(short, shown), *measured, *drawn, *where)
    return table


def _failed_table(results: Results) -> Table:
    alike: dict[str, list[dict[str, Any]]] = {}
    for _, failure in sorted(results.failures.items()):
        alike.setdefault(failure["reason"], []).append(failure)
    table = _table("failed", "bold red", "trial", "reason", "folder")
    for reason, failures in list(alike.items())[:ROWS]:
        more = f"\nand {len(failures) - 1} more" if failures[1:] else ""
        table.add_row(f"{failures[0]['number']:04d}{more}", escape(reason), escape(shown_path(failures[0]["folder"])))
    if len(alike) > ROWS:
        table.caption = f"… and {len(alike) - ROWS} more reasons in optimization_results.yaml"
    return table


def _table(title: str, style: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style=style, box=None, padding=(0, 2, 0, 0))
    table.caption_justify, table.caption_style = "left", ""
    for name in columns:
        table.add_column(name, header_style="dim", overflow="fold")
    return table


def _print(*tables: Table) -> None:
    """The first that fits the terminal, else the last, folded; all of a line where there is none."""
    from rich.console import Console

    console = Console(width=None if getattr(sys.stdout, "isatty", bool)() else UNFOLDED, highlight=False)
    whole = console.options.update(max_width=UNFOLDED)
    fitting = (table for table in tables if console.measure(table, options=whole).maximum <= console.width)
    with console.capture() as captured:
        console.print(next(fitting, tables[-1]))
    result("\n".join(line.rstrip() for line in captured.get().splitlines()))
