"""``stage=inspect``: look at the data before anything is trained on it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace as change_fields
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import to_absolute_path
from omegaconf import DictConfig

from sweeper.errors import require
from sweeper.folder import replace
from sweeper.trial.data import read
from sweeper.trial.data.cache import cache_folder
from sweeper.trial.data.examples import Array
from sweeper.trial.data.exclude import write_list
from sweeper.trial.inspect.inspected import Inspected, inspect_examples
from sweeper.trial.inspect.kept import kept
from sweeper.trial.inspect.removable import removable
from sweeper.trial.inspect.run_losses import run_losses
from sweeper.trial.inspect.sections import STYLE, script, sections
from sweeper.trial.inspect.verdicts import verdicts
from sweeper.trial.inspect.where import order, where
from sweeper.trial.page import page
from sweeper.trial.report import artifact, report, tag
from sweeper.trial.train import trial_folder
from sweeper.trial.verdict import Report
from sweeper.trial.verdict_lines import lines

PAGE, EXAMPLES, VERDICTS = "inspect.html", "examples.parquet", "inspect.json"
COLUMNS = (
    "name",
    "split",
    "label",
    "issue",
    "loss",
    "prediction",
    "label_error_score",
    "likely_label",
    "outlier_score",
)


def inspect(cfg: DictConfig, *, rows: int, page_rows: int) -> float:
    """Print verdicts, write page, table and verdicts into the trial folder; the number of findings."""
    began = time.perf_counter()
    asked = cfg.inspect
    folder = trial_folder()
    examples, parts = read(cfg.data)
    measure = lambda: inspect_examples(examples, parts, _note())  # noqa: E731
    found = kept(cache_folder(cfg.data.get("cache")), examples, parts, measure)
    if asked.run is not None:
        loss, prediction = run_losses(asked.run, cfg.data, examples, parts)
        found = change_fields(found, loss=loss, prediction=prediction)
    table = found.table()
    picked, about = _picked(table, asked.where, asked.sort)
    subject = f"data={examples.name}, {len(table['name'])} examples"
    result = Report(subject, verdicts(found), time.perf_counter() - began, folder / PAGE, "inspect")
    _write(folder, found, table, picked[:page_rows], f"{about}{_cut(len(picked), page_rows)}", result)
    print(*lines(result), sep="\n")
    if asked.where is not None or asked.sort is not None:
        _show(table, picked[:rows], f"{about}{_cut(len(picked), rows)}")
    if asked.exclude is not None:
        names, why = removable(found, table, picked if asked.where is not None else None)
        write_list(Path(to_absolute_path(asked.exclude)), names, f"{subject}: {asked.where or why}")
        print(f"exclude  {len(names)} examples in {asked.exclude}; data.exclude={asked.exclude} leaves them out")
    print(f"table    {os.path.relpath(folder / EXAMPLES)}\npage     {os.path.relpath(folder / PAGE)}")
    sys.stdout.flush()
    return float(len(result.failures))


def _picked(table: Mapping[str, Array], query: str | None, sort: str | None) -> tuple[Array, str]:
    """Rows that are asked for, in order, and words for which these are; the worst first if nothing is asked."""
    rows = np.arange(len(table["name"])) if query is None else where(table, query)
    if sort is not None:
        rows = order(table, rows, sort)
    else:
        grave = np.array([-len(words.split()) for words in table["issue"][rows]])
        rows = rows[np.argsort(grave, kind="stable")]
    about = f"{len(rows)} examples" + (f" with {query}" if query is not None else "")
    return rows, f"{about}, {'by ' + sort if sort is not None else 'those with most issues first'}"


def _cut(total: int, shown: int) -> str:
    return "" if total <= shown else f"; the first {shown} here, all in {EXAMPLES}"


def _write(folder: Path, found: Inspected, table: dict[str, Array], rows: Array, about: str, result: Report) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = page(result, sections=sections(found, table, rows, about), style=STYLE, script=script())
    replace(folder / PAGE, text)
    write_table(folder / EXAMPLES, table)
    keep = ("check", "tip", "state", "reason", "expected", "advice", "measured", "hypothesis")
    said = [{name: getattr(verdict, name) for name in keep} for verdict in result.verdicts]
    document: dict[str, Any] = {"subject": result.subject, "seconds": result.seconds, "verdicts": said}
    replace(folder / VERDICTS, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    numbers = {f"inspect.{v.check}.{name}": value for v in result.verdicts for name, value in v.measured.items()}
    report(step=0, **{"inspect.findings": float(len(result.failures)), **numbers})
    tag(inspect=_words(result), **{f"inspect.{v.check}": f"{v.state}: {v.reason}" for v in result.verdicts})
    for name in (PAGE, EXAMPLES, VERDICTS):
        artifact(folder / name)


def _words(result: Report) -> str:
    names = ", ".join(verdict.check for verdict in result.failures)
    return f"{len(result.failures)} findings: {names}" if names else "no findings"


def write_table(path: Path, table: Mapping[str, Array]) -> None:
    """Write the per-example table as Parquet; issues as a list."""
    require("stage=inspect", "pyarrow")
    import pyarrow
    from pyarrow import parquet

    columns = {name: pyarrow.array(values) for name, values in table.items() if name != "issue"}
    columns["issue"] = pyarrow.array([words.split() for words in table["issue"]], pyarrow.list_(pyarrow.string()))
    parquet.write_table(pyarrow.table({name: columns[name] for name in table}), path)


def _show(table: Mapping[str, Array], rows: Array, about: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    console.print(about, style="bold", markup=False)
    shown = Table(box=None, padding=(0, 2, 0, 0))
    names = [name for name in COLUMNS if name in table]
    for name in names:
        shown.add_column(name, header_style="dim", overflow="fold")
    for row in rows:
        cells = (table[name][row] for name in names)
        shown.add_row(*(f"{c:.3g}" if isinstance(c, np.floating) else escape(str(c)) for c in cells))
    console.print(shown)


def _note() -> Callable[[str], None]:
    """Say on a terminal what is under way; elsewhere nothing."""
    if not sys.stderr.isatty():
        return lambda text: None
    return lambda text: print(f"\r\033[Kinspecting: {text} …", end="", file=sys.stderr, flush=True)
