"""Which examples ``inspect.exclude`` lists: what can go without a person's judgement."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sweeper.trial.data.examples import Array
from sweeper.trial.inspect.duplicates import several
from sweeper.trial.inspect.inspected import Inspected

WHY = "files and values that can't be used, blank pictures, and all but one of each group of duplicates"
UNUSABLE = ("nan", "infinite", "target_missing", "mixed_types", "blank")


def removable(found: Inspected, table: Mapping[str, Array], asked: Array | None) -> tuple[list[str], str]:
    """Names of the rows that ``inspect.where`` asked for; else of what is unusable or there twice, and why.

    Of duplicates the one of test stays, then of validation, so that scores remain comparable; all go if their
    labels differ.
    """
    if asked is not None:
        return [str(table["name"][row]) for row in asked], "as asked"
    n = len(found.examples)
    gone = np.zeros(n, bool)
    for issue in UNUSABLE:
        gone |= found.issues.get(issue, np.zeros(n, bool))
    order = np.lexsort((np.arange(n), -found.split, found.near))  # by group, test first
    again = np.zeros(n, bool)
    again[order[1:]] = found.near[order[1:]] == found.near[order[:-1]]
    gone |= again & several(found.near)
    gone |= found.issues.get("conflicting_labels", np.zeros(n, bool))
    lost = [str(name) for name in table["name"][n:]]
    return [*(found.examples.name_of(int(row)) for row in np.flatnonzero(gone)), *lost], WHY
