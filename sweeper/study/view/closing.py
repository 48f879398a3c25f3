"""A sweep that has ended: its best trials, its failures, and how to look further."""

from __future__ import annotations

import os
import shlex
import sys

from sweeper.folder import COMPLETE
from sweeper.study.provenance import command_line
from sweeper.study.view.results import Results
from sweeper.study.view.terminal import escape, say, short, shown_path


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
            drawn = [escape(short(b["params"][n])) if n in b["params"] else "" for n in names]
            measured = [short(b["metrics"].get(m, "")) for m in others]
            table.add_row(f"{b['number']:04d}", *map(short, shown), *measured, *drawn, escape(shown_path(b["folder"])))
        console.print(table)
    if results.failures:
        failed = Table(title="failed", title_justify="left", title_style="bold red", box=None, padding=(0, 2, 0, 0))
        for name in ("trial", "reason", "folder"):
            failed.add_column(name, header_style="dim", overflow="fold")
        for f in list(results.failures.values())[:10]:
            failed.add_row(f"{f['number']:04d}", escape(f["reason"]), escape(shown_path(f["folder"])))
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
    elif results.size is None or results.total < results.size:
        more = results.n_trials * 2
        print(f"extend   {command_line(**results.resume, hydra__sweeper__n_trials=more)}", flush=True)
