"""The page's parts after the verdicts: pictures a class, histograms, and the table to search and sort."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sweeper.trial.data.examples import Array
from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.thumbnails import gallery, span_of, thumbnail
from sweeper.trial.page import Section
from sweeper.trial.pictures import Picture, histogram

CLASSES, EACH = 20, 12  # classes and pictures of each in the montages
HISTOGRAMS = 24
SCRIPT = Path(__file__).with_name("table.js")
STYLE = """
.thumb { width: 64px; height: 64px; object-fit: contain; background: #8882; }
.scroll { overflow-x: auto; } #rows { font-size: .85rem; width: 100%; }
#rows th button { all: unset; cursor: pointer; font-weight: 600; white-space: nowrap; }
#rows th button:focus-visible { outline: 3px solid #0b62c4; } #rows td { max-width: 16rem; overflow-wrap: anywhere; }
#rows .thumb { width: 40px; height: 40px; } #rows td.number { text-align: right; font-variant-numeric: tabular-nums; }
.controls { display: flex; flex-wrap: wrap; gap: .8rem; margin: .6rem 0; align-items: end; }
.controls label { display: grid; font-size: .85rem; } .controls input { min-width: 22rem; max-width: 90vw; }
.controls input, .controls select, .controls button { font: inherit; padding: .2rem .4rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: .5rem 1.5rem; }
.charts figure { margin: 0; } .charts svg { width: 100%; height: auto; }
"""


def sections(found: Inspected, table: Mapping[str, Array], rows: Array, about: str) -> tuple[Section, ...]:
    """All parts; ``rows`` are the table's rows to show, in order, ``about`` says which these are."""
    parts = [Section("examples", "What is in there", "".join(_pictures(found)))] if found.images else []
    parts.append(Section("histograms", "Distributions", _histograms(found)))
    parts.append(Section("table", "Every example", _table(found, table, rows, about)))
    return tuple(parts)


def script() -> str:
    """What makes the table searchable and sortable."""
    return SCRIPT.read_text(encoding="utf-8")


def _pictures(found: Inspected) -> Iterator[str]:
    examples = found.examples
    rng = np.random.default_rng(0)
    if examples.classes is None:
        order = np.argsort(examples.targets)
        rows = order[np.linspace(0, len(order) - 1, min(4 * EACH, len(order))).astype(int)]
        yield from map(_figure, gallery(examples, rows, None, "examples by target, from the least to the greatest"))
        return
    for number, name in enumerate(examples.classes[:CLASSES]):
        members = np.flatnonzero(examples.targets == number)
        rows = np.sort(rng.permutation(members)[:EACH])
        for picture in gallery(examples, rows, None, f"{len(members)} examples, {len(rows)} drawn"):
            yield f"<h3>{html.escape(name)}</h3>{_figure(picture)}"
    if len(examples.classes) > CLASSES:
        yield f"<p>… and {len(examples.classes) - CLASSES} classes more.</p>"


def _figure(picture: Picture) -> str:
    return f"<figure>{picture.markup}<figcaption>{html.escape(picture.caption)}</figcaption></figure>"


def _histograms(found: Inspected) -> str:
    charts: list[Picture] = []
    if found.images:
        inputs = found.examples.inputs
        some = inputs[:: max(1, len(inputs) // 2000)]
        names = ("red", "green", "blue") if some.shape[1] == 3 else tuple(f"channel {i}" for i in range(some.shape[1]))
        if some.shape[1] == 1:
            names = ("grey",)
        for channel, name in enumerate(names):
            charts.append(histogram(some[:, channel].ravel(), f"values of {name}", x="value"))
    named = {**found.statistics, "outlier score": np.minimum(found.outliers.score, 100)}
    if found.guesses is not None:
        named["label-error score"] = found.guesses.score
    numeric = {name: values for name, values in named.items() if values.dtype.kind in "fiu"}
    charts += [histogram(values, name, x=name) for name, values in list(numeric.items())[:HISTOGRAMS]]
    more = f"<p>… and {len(numeric) - HISTOGRAMS} more.</p>" if len(numeric) > HISTOGRAMS else ""
    return f'<div class="charts">{"".join(map(_figure, charts))}</div>{more}'


def _table(found: Inspected, table: Mapping[str, Array], rows: Array, about: str) -> str:
    data: dict[str, object] = {
        "columns": list(table),
        "rows": [[_cell(table[name][row]) for name in table] for row in rows],
    }
    if found.images:
        span, n = span_of(found.examples), len(found.examples)
        data["thumbs"] = [thumbnail(found.examples, int(row), span) if row < n else "" for row in rows]
    # "<" can't close the script, whatever a file or a class is called
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return (
        f"<p>{html.escape(about)}</p>"
        '<div class="controls"><label>Search (all of these words, or column:word, column&gt;number)'
        '<input id="search" type="search" placeholder="label:3 issue:near_duplicate outlier_score&gt;5"></label>'
        '<label>Issue<select id="issue"><option value="">any</option></select></label>'
        '<label>Split<select id="split"><option value="">any</option></select></label>'
        '<label>Label<select id="label"><option value="">any</option></select></label></div>'
        '<p id="count" role="status"></p><div class="scroll">'
        '<table id="rows"><thead></thead><tbody></tbody></table></div>'
        '<p><button id="more" type="button">Show more</button></p>'
        f'<script type="application/json" id="data">{text}</script>'
    )


def _cell(value: object) -> object:
    if isinstance(value, (np.floating, float)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return str(value)
