"""Rows of results, as text for the terminal and as Markdown for docs/benchmarks.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: two measured values and their ratio, with what is required of the ratio or of ours."""

    what: str
    ours: str
    peer: str
    value: str  # the ratio, or what stands for it
    required: str = ""
    holds: bool | None = None


@dataclass(frozen=True)
class Table:
    title: str
    how: str
    rows: list[Row]

    def text(self) -> str:
        head = Row("", "sweeper", "against", "ratio", "required")
        cells = [_cells(row) for row in [head, *self.rows]]
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        lines = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)
        return "\n".join([self.title, *(f"  {line}" for line in lines), ""])

    def markdown(self) -> str:
        lines = ["| " + " | ".join(_cells(row)) + " |" for row in self.rows]
        head = ["| measured | sweeper | against | ratio | required |", "|---|---|---|---|---|"]
        return "\n".join([f"## {self.title}", "", self.how, "", *head, *lines, ""])


def at_least(value: float, bound: float, unit: str = "×") -> tuple[str, str, bool]:
    return f"{_short(value)} {unit}", f"≥ {bound:g} {unit}", value >= bound


def at_most(value: float, bound: float, unit: str = "×") -> tuple[str, str, bool]:
    return f"{_short(value)} {unit}", f"≤ {bound:g} {unit}", value <= bound


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.3g} ms"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _cells(row: Row) -> list[str]:
    verdict = {True: " ✓", False: " ✗", None: ""}[row.holds]
    return [row.what, row.ours, row.peer, row.value, row.required + verdict]
