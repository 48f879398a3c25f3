"""One self-contained HTML page of a report: works offline, by keyboard and without colour."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweeper.trial.verdict import FAIL, NOT_APPLICABLE, PASS, Report, Verdict
from sweeper.trial.verdict_lines import headline

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
details { border-left: .3rem solid #888; margin: .4rem 0; padding: .2rem .8rem; }
details.fail { border-color: #c2410c; } details.pass { border-color: #15803d; }
summary { cursor: pointer; } summary:focus-visible, a:focus-visible { outline: 3px solid #0b62c4; outline-offset: 2px; }
summary b { display: inline-block; min-width: 3.2rem; }
dl { display: grid; grid-template-columns: 8rem 1fr; gap: .2rem .8rem; }
dt { font-weight: 600; } dd { margin: 0; } svg, img { max-width: 100%; background: #fff; color: #333; }
svg text { font: 11px system-ui, sans-serif; fill: #333; } img { image-rendering: pixelated; }
table { border-collapse: collapse; } th, td { border: 1px solid #8886; padding: .15rem .6rem; text-align: left; }
figure { margin: .6rem 0; } .montage { display: flex; flex-wrap: wrap; gap: .5rem; } .montage figure { margin: 0; }
figcaption { font-size: .85rem; max-width: 30rem; } .montage figcaption { max-width: 5rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) { dl { display: block; } dd { margin: 0 0 .4rem; } }
"""
TITLES = {FAIL: "Failed, the likely cause first", PASS: "Passed", NOT_APPLICABLE: "Not applicable"}
MARKS = {FAIL: "FAIL", PASS: "pass", NOT_APPLICABLE: "n/a"}


@dataclass(frozen=True)
class Section:
    """A part of the page after the verdicts; ``markup`` is HTML whose text is escaped already."""

    anchor: str
    title: str
    markup: str


def page(report: Report, *, sections: Sequence[Section] = (), style: str = "", script: str = "") -> str:
    """The page's text; everything that came from a person's code or data is escaped.

    ``sections`` follow the verdicts, each reached from the top; ``style`` and ``script`` are what they need.
    """
    return "\n".join(_parts(report, sections, style, script)) + "\n"


def _parts(report: Report, sections: Sequence[Section], style: str, script: str) -> Iterator[str]:
    title = html.escape(f"{report.stage} of {report.subject}")
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{STYLE}{style}</style></head><body><main>"
    yield f"<h1>{html.escape(headline(report))}</h1>"
    links = [
        f'<a href="#{_anchor(state)}">{report.count(state)} {html.escape(TITLES[state].split(",")[0].lower())}</a>'
        for state in TITLES
        if report.count(state)
    ] + [f'<a href="#{part.anchor}">{html.escape(part.title)}</a>' for part in sections]
    yield f"<nav>{' · '.join(links)}</nav>"
    for state, heading in TITLES.items():
        if report.count(state):
            yield f'<h2 id="{_anchor(state)}">{html.escape(heading)}</h2>'
            for verdict in report.verdicts:
                if verdict.state == state:
                    yield from _verdict(verdict)
    for part in sections:
        yield f'<section aria-labelledby="{part.anchor}"><h2 id="{part.anchor}">{html.escape(part.title)}</h2>'
        yield f"{part.markup}</section>"
    yield "</main>"
    if script:
        yield f"<script>{script}</script>"
    yield "</body></html>"


def _anchor(state: str) -> str:
    return state.replace(" ", "-")


def _verdict(verdict: Verdict) -> Iterator[str]:
    opened = " open" if verdict.state == FAIL else ""
    yield f'<details class="{_anchor(verdict.state)}" id="{html.escape(verdict.check)}"{opened}>'
    yield f"<summary><b>{MARKS[verdict.state]}</b> <code>{html.escape(verdict.check)}</code> "
    yield f"{html.escape(verdict.reason)}</summary><dl>"
    rows = {"hypothesis": verdict.hypothesis, "measured": verdict.reason, "expected": verdict.expected}
    if verdict.state == FAIL:
        rows["what to do"] = verdict.advice
    if verdict.tip is not None:
        rows["recipe"] = f"tip {verdict.tip}"
    for name, text in rows.items():
        if text:
            yield f"<dt>{name}</dt><dd>{html.escape(text)}</dd>"
    yield "</dl>"
    for picture in verdict.pictures:
        yield f"<figure>{picture.markup}<figcaption>{html.escape(picture.caption)}</figcaption></figure>"
    yield "</details>"
