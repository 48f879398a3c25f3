"""Duplicates within and across splits, and whether their labels agree (recipe tip 2)."""

from __future__ import annotations

import numpy as np

from sweeper.trial.data.examples import SPLITS, Array
from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.judged.words import judged, short
from sweeper.trial.inspect.thumbnails import gallery
from sweeper.trial.pictures import Picture
from sweeper.trial.verdict import Verdict


def no_exact_duplicates(found: Inspected) -> Verdict:
    """No two examples have the same inputs (tip 2)."""
    return _duplicates(found, "no_exact_duplicates", "exact_duplicate", found.exact, "the same inputs, bit for bit")


def no_near_duplicates(found: Inspected) -> Verdict:
    """No two examples are nearly the same (tip 2)."""
    what = "the same picture cropped, recompressed or with noise" if found.images else "the same but for a little noise"
    return _duplicates(found, "no_near_duplicates", "near_duplicate", found.near, what)


def _duplicates(found: Inspected, name: str, issue: str, groups: Array, what: str) -> Verdict:
    mask = found.issues.get(issue, np.zeros(len(found.examples), bool))
    count = len(np.unique(groups[mask]))
    return judged(
        name, 2, count == 0, f"{mask.sum()} examples in {count} groups have {what}{_first_groups(found, mask, groups)}",
        expected="0", advice="keep one of each: inspect.exclude=exclude.txt writes the others, data.exclude reads them",
        hypothesis="every example counts once", measured={"examples": float(mask.sum()), "groups": float(count)},
        pictures=_group_pictures(found, mask, groups),
    )  # fmt: skip


def splits_disjoint(found: Inspected) -> Verdict:
    """No example of one split has a duplicate in another (tip 2)."""
    mask = found.issues.get("cross_split_duplicate", np.zeros(len(found.examples), bool))
    count = len(np.unique(found.near[mask]))
    held = sum(int(mask[part].sum()) for part in found.parts[1:])
    return judged(
        "splits_disjoint", 2, count == 0,
        f"{count} groups of duplicates are in two splits or more, {held} of validation and test have one in another "
        f"split{_first_groups(found, mask, found.near)}", expected="0",
        advice="scores are too good by them: leave out train's (inspect.exclude=exclude.txt, then data.exclude), or "
        "have the split drawn by data.split.group", hypothesis="validation and test are new to the model",
        measured={"groups": float(count), "held_out": float(held)}, pictures=_group_pictures(found, mask, found.near),
    )  # fmt: skip


def duplicates_agree(found: Inspected) -> Verdict:
    """Duplicates have one label (tip 2)."""
    mask = found.issues.get("conflicting_labels", np.zeros(len(found.examples), bool))
    count = len(np.unique(found.near[mask]))
    return judged(
        "duplicates_agree", 2, count == 0,
        f"{count} groups of duplicates have different labels{_first_groups(found, mask, found.near)}", expected="0",
        advice="one of the labels is wrong: look at them, inspect.where='issue == \"conflicting_labels\"'",
        hypothesis="the same input has the same label", measured={"groups": float(count)},
        pictures=_group_pictures(found, mask, found.near),
    )  # fmt: skip


def _first_groups(found: Inspected, mask: Array, groups: Array) -> str:
    if not mask.any():
        return ""
    first = [np.flatnonzero(groups == group)[:3] for group in _largest(groups[mask])[:2]]
    shown = "; ".join(
        " = ".join(f"{found.examples.name_of(int(i))} ({SPLITS[found.split[i]]})" for i in members) for members in first
    )
    return f": {shown}" + (" …" if len(np.unique(groups[mask])) > 2 else "")


def _largest(groups: Array) -> Array:
    names, counts = np.unique(groups, return_counts=True)
    return names[np.argsort(-counts, kind="stable")]


def _group_pictures(found: Inspected, mask: Array, groups: Array) -> tuple[Picture, ...]:
    if not mask.any():
        return ()
    rows = np.concatenate([np.flatnonzero(groups == group)[:4] for group in _largest(groups[mask])[:6]])
    labels = found.labels()
    captions = [f"{found.examples.name_of(int(i))} {SPLITS[found.split[i]]} {short(labels[i])}" for i in rows]
    return gallery(found.examples, rows, captions, "the first groups, one after the other")
