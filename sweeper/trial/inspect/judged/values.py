"""Cells, features and targets of numbers (recipe tip 3), and what is far from all others (tip 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweeper.trial.data.examples import Array, Problem
from sweeper.trial.data.overrides import listed
from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.judged.words import SHOWN, colon, judged, names_of, skip
from sweeper.trial.inspect.thumbnails import gallery
from sweeper.trial.verdict import Verdict


def values_usable(found: Inspected) -> Verdict:
    """Every cell is of its column's kind, every target is there, nothing is NaN or infinite (tip 3)."""
    problems = [p for p in found.examples.problems if p.example is not None or p.label is None]
    rows = [found.issues.get(name) for name in ("nan", "infinite")]
    broken = sum(int(mask.sum()) for mask in rows if mask is not None)
    kinds = _by_column(problems)
    words = "; ".join(kinds[:SHOWN])
    count = len(problems) + (broken if not problems else 0)
    what = words or (f"{broken} examples with NaN or infinity, first {names_of(found, rows)}" if broken else "")
    return judged(
        "values_usable", 3, count == 0, f"{count} values that can't be used{colon(what, len(kinds))}", expected="0",
        advice="repair them, name the words that mean a hole (data.missing=[…]), drop the column (data.drop=[…]) or "
        "leave the rows out (inspect.exclude=exclude.txt)",
        hypothesis="every value is a finite number or a category", measured={"values": count},
    )  # fmt: skip


def _by_column(problems: Sequence[Problem]) -> list[str]:
    """One phrase for each column and kind of problem, with the first row that has it."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.where.partition(", ")[0], problem.issue), []).append(problem)
    phrases = []
    for (column, issue), members in groups.items():
        row = members[0].where.partition(", ")[2]
        where = f" in {len(members)} rows, first {row}" if len(members) > 1 else f", {row}" if row else ""
        phrases.append(f"{column}: {issue.replace('_', ' ')}{where} ({members[0].detail})")
    return phrases


def features_vary(found: Inspected) -> Verdict:
    """No feature is constant, an identifier, or mostly missing (tip 3)."""
    inputs, columns = found.examples.inputs, found.examples.columns
    if found.images:
        return skip("features_vary", 3, "the data are images")
    flat = inputs.reshape(len(inputs), -1)
    names = [c.name for c in columns] if columns is not None else [f"x{i}" for i in range(flat.shape[1])]
    problems, idle = list[str](), list[str]()
    for place, name in enumerate(names):
        values = flat[:, place]
        known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        holes = 1 - len(known) / max(len(values), 1)
        if len(known) == 0:
            problems.append(f"{name} is empty")
        elif known.min() == known.max():
            problems.append(f"{name} is constant")
        elif holes > 0.5:
            problems.append(f"{name} is missing in {holes:.0%}")
        elif columns is not None and columns[place].categories is None and _counts_rows(known):
            problems.append(f"{name} numbers the rows")
        if len(problems) > len(idle):
            idle.append(name)
    return judged(
        "features_vary", 3, not problems, f"{len(problems)} of {len(names)} features say nothing"
        f"{colon('; '.join(problems[:SHOWN]), len(problems))}", expected="0",
        advice=f"leave them out: 'data.drop={listed(idle)}'" if columns is not None else "leave them out of the data",
        hypothesis="every feature differs between examples and says something of them",
        measured={"features": float(len(problems))},
    )  # fmt: skip


def _counts_rows(values: Array) -> bool:
    """Whether values are whole, distinct and about evenly spaced in order: an identifier."""
    if len(values) < 20 or (values != np.floor(values)).any():
        return False
    steps = np.diff(values)
    return bool((steps == 1).mean() > 0.9)


def few_outliers(found: Inspected) -> Verdict:
    """No example is far from all others in some way (tip 6)."""
    order = np.argsort(-found.outliers.score, kind="stable")
    marked = order[found.outliers.marked[order]]
    some = ", ".join(
        f"{found.examples.name_of(i)} ({found.outliers.by[i]}, {min(found.outliers.score[i], 999):.0f})"
        for i in marked[:4]
    )
    captions = [f"{found.examples.name_of(i)}: {found.outliers.by[i]}" for i in order[: 2 * SHOWN]]
    return judged(
        "few_outliers", 6, len(marked) == 0, f"{len(marked)} examples are more than 8 robust deviations from the "
        f"median in some statistic{colon(some, len(marked), 4)}", expected="0",
        advice="look at them, inspect.sort=-outlier_score: errors to repair, or rare cases to gather more of",
        hypothesis="extremes belong to the data", measured={"examples": float(len(marked))},
        pictures=gallery(found.examples, order[: 2 * SHOWN], captions, "the most unusual examples"),
    )  # fmt: skip
