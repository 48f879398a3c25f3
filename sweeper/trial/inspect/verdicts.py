"""What is judged about data (recipe tips 1 to 6): each function looks at one thing and says what was expected.

A verdict is a function of what was inspected alone; ``VERDICTS`` is their order, what spoils training most first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sweeper.trial.data.examples import SPLITS, Array
from sweeper.trial.data.split import shared_groups
from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.thumbnails import gallery
from sweeper.trial.pictures import Picture, bars, histogram, table
from sweeper.trial.verdict import FAIL, NOT_APPLICABLE, PASS, Verdict

IMBALANCE = 10.0  # largest class over smallest: above it, accuracy says little
LABEL_ERRORS = 0.01  # share of likely label errors that a simple model's own mistakes explain
SHOWN = 8  # examples named in a sentence or shown in a picture row
FILE_KINDS = ("empty_file", "not_an_image", "truncated", "unreadable", "decompression_bomb")
ODD_FILES = {
    "wrong_extension": "content of another format than the name says",
    "cmyk": "CMYK, converted to RGB",
    "16_bit": "more than 8 bits, scaled to 8",
    "animated": "animated, the first frame was taken",
    "exif_rotated": "turned by EXIF, as cameras do; other readers may not turn it",
    "transparent": "transparent, laid on white",
    "cut_short": "cut short after the last pixel",
}


def verdicts(found: Inspected) -> tuple[Verdict, ...]:
    """All verdicts, in order."""
    return tuple(judge(found) for judge in VERDICTS)


def files_readable(found: Inspected) -> Verdict:
    """Every file can be read (tip 3)."""
    lost = [p for p in found.examples.problems if p.example is None and p.label is not None]
    if "bytes" not in found.examples.facts and not lost:
        return _skip("files_readable", 3, "the data are not files")
    names = "; ".join(f"{p.where}: {p.issue.replace('_', ' ')} ({p.detail})" for p in lost[:SHOWN])
    return _judged(
        "files_readable", 3, not lost, f"{len(lost)} unreadable files{_colon(names, len(lost))}",
        expected="0", advice="repair them, or leave them out: inspect.exclude=x.txt, then data.exclude=x.txt",
        hypothesis="every file is an image that can be decoded", measured={"files": len(lost)},
    )  # fmt: skip


def values_usable(found: Inspected) -> Verdict:
    """Every cell is of its column's kind, every target is there, nothing is NaN or infinite (tip 3)."""
    problems = [p for p in found.examples.problems if p.example is not None or p.label is None]
    rows = [found.issues.get(name) for name in ("nan", "infinite")]
    broken = sum(int(mask.sum()) for mask in rows if mask is not None)
    words = "; ".join(f"{p.where}: {p.issue.replace('_', ' ')} ({p.detail})" for p in problems[:SHOWN])
    count = len(problems) + (broken if not problems else 0)
    what = words or (f"{broken} examples with NaN or infinity, first {_names(found, rows)}" if broken else "")
    return _judged(
        "values_usable", 3, count == 0, f"{count} values that can't be used{_colon(what, len(problems))}", expected="0",
        advice="repair them, name the words that mean a hole (data.missing=[…]), drop the column (data.drop=[…]) or "
        "leave the rows out (inspect.exclude=exclude.txt)",
        hypothesis="every value is a finite number or a category", measured={"values": count},
    )  # fmt: skip


def classes_balanced(found: Inspected) -> Verdict:
    """Classes, or the range of the target (tip 1)."""
    classes, targets = found.examples.classes, found.examples.targets
    if classes is None:
        spread = histogram(targets, "the target", x="value")
        constant = bool(np.ptp(targets) == 0) if len(targets) else True
        return _judged(
            "target_varies", 1, not constant,
            f"{len(targets)} targets from {targets.min():.4g} to {targets.max():.4g}, mean {targets.mean():.4g}, "
            f"standard deviation {targets.std():.4g}, {len(np.unique(targets))} different",
            expected="values that differ", advice="a constant can't be learnt: name another data.target",
            hypothesis="the target differs between examples", pictures=(spread,),
        )  # fmt: skip
    counts = np.bincount(targets, minlength=len(classes))
    unreadable = [p.label for p in found.examples.problems if p.example is None and p.label is not None]
    low, high = int(counts.argmin()), int(counts.argmax())
    picture = bars(dict(zip(classes, counts.tolist(), strict=True)), "examples a class", y="examples")
    reason = f"{len(classes)} classes, {counts[low]} examples ({classes[low]}) to {counts[high]} ({classes[high]})" + (
        f", {len(unreadable)} more unreadable" if unreadable else ""
    )
    if (counts > 0).sum() < 2:
        advice = "data.root needs a folder a class" if found.images else "name another target"
        return _judged("classes_balanced", 1, False, reason, expected="two classes or more", advice=advice,
                       hypothesis="there is more than one class", pictures=(picture,))  # fmt: skip
    few = [f"{classes[i]} ({counts[i]})" for i in np.argsort(counts) if counts[i] < 3]
    ratio = counts[high] / max(counts[low], 1)
    if few:
        return _judged(
            "classes_balanced", 1, False, f"{reason}; too few for each split: {', '.join(few[:SHOWN])}",
            expected="3 examples a class or more, one for each split",
            advice="gather more of it, merge it with another class, or leave it out", pictures=(picture,),
            hypothesis="every class can be in every split", measured={"least": float(counts[low])},
        )  # fmt: skip
    return _judged(
        "classes_balanced", 1, ratio <= IMBALANCE, f"{reason}; the largest is {ratio:.3g} times the smallest",
        expected=f"at most {IMBALANCE:g} times", pictures=(picture,), measured={"ratio": float(ratio)},
        advice="compare models by a metric of each class; weigh the loss or sample the rare ones more often",
        hypothesis="no class is rare",
    )  # fmt: skip


def splits_sound(found: Inspected) -> Verdict:
    """Each split has every class, and no group is in two (tip 1)."""
    sizes = ", ".join(f"{name} {len(part)}" for name, part in zip(SPLITS, found.parts, strict=True))
    groups = found.examples.groups
    if groups is not None and len(shared := shared_groups(groups, found.parts)):
        first = found.examples.name_of(int(np.flatnonzero(groups == shared[0])[0]))
        return _judged(
            "splits_sound", 1, False, f"{len(shared)} of {len(np.unique(groups))} groups are in two splits or more "
            f"(first: that of {first}); {sizes}", expected="each group in one split",
            advice="repair the split, or remove data.split.column and have one drawn by data.split.group",
            hypothesis="validation and test are of groups that training has not seen",
            measured={"shared_groups": float(len(shared))},
        )  # fmt: skip
    lacking = []
    if found.examples.classes is not None:
        for name, part in zip(SPLITS, found.parts, strict=True):
            present = np.unique(found.examples.targets[part])
            missing = [c for i, c in enumerate(found.examples.classes) if i not in present]
            if len(part) and missing:
                lacking.append(f"{name} lacks {', '.join(missing[:SHOWN])}")
    empty = not (len(found.parts[0]) and len(found.parts[1]))
    return _judged(
        "splits_sound", 1, not lacking and not empty, "; ".join([sizes, *lacking]),
        expected="every class in each split",
        advice="gather more examples of it, or draw another split (data.split.seed=1)",
        hypothesis="train, validation and test see the same classes",
    )  # fmt: skip


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
    return _judged(
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
    return _judged(
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
    return _judged(
        "duplicates_agree", 2, count == 0,
        f"{count} groups of duplicates have different labels{_first_groups(found, mask, found.near)}", expected="0",
        advice="one of the labels is wrong: look at them, inspect.where='issue == \"conflicting_labels\"'",
        hypothesis="the same input has the same label", measured={"groups": float(count)},
        pictures=_group_pictures(found, mask, found.near),
    )  # fmt: skip


def labels_likely(found: Inspected) -> Verdict:
    """A simple model that has not seen an example agrees with its label (tip 3)."""
    if found.guesses is None:
        return _skip("labels_likely", 3, "needs 50 examples with usable targets that differ")
    guesses = found.guesses
    if not guesses.skilled:
        words = f"a simple model guesses them hardly better ({guesses.skill:.2f}) than chance ({guesses.chance:.2f})"
        return _skip("labels_likely", 3, words)
    order = np.argsort(-guesses.score, kind="stable")
    marked = order[guesses.wrong[order]]
    share = len(marked) / max(len(order), 1)
    likely = guesses.guess if found.examples.classes is None else np.array(found.examples.classes)[guesses.guess]
    labels = found.labels()
    first = ", ".join(
        f"{found.examples.name_of(i)} ({_short(labels[i])}, likely {_short(likely[i])})" for i in marked[:4]
    )
    skill = f"R² {guesses.skill:.2f}" if found.examples.classes is None else f"accuracy {guesses.skill:.3f}"
    captions = [f"{_short(labels[i])} → {_short(likely[i])}" for i in marked[: 2 * SHOWN]]
    return _judged(
        "labels_likely", 3, share <= LABEL_ERRORS,
        f"{len(marked)} of {len(order)} labels ({share:.2%}) are unlikely to a simple model ({skill} on examples it "
        f"has not seen){_colon(first, len(marked), 4)}", expected=f"at most {LABEL_ERRORS:.0%}",
        advice="look at the most suspicious: inspect.sort=-label_error_score; correct them in the data",
        hypothesis="labels are right", measured={"share": share, "skill": guesses.skill},
        pictures=gallery(found.examples, marked[: 2 * SHOWN], captions, "the most suspicious labels, given → likely"),
    )  # fmt: skip


def files_usual(found: Inspected) -> Verdict:
    """Files are of one kind, as their names say (tip 3)."""
    if "bytes" not in found.examples.facts:
        return _skip("files_usual", 3, "the data are not files")
    parts = [
        f"{int(found.issues[name].sum())} {words} ({_names(found, [found.issues[name]])})"
        for name, words in ODD_FILES.items()
        if name in found.issues
    ]
    formats, counts = np.unique(found.examples.facts["format"], return_counts=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in zip(formats, counts, strict=True))
    return _judged(
        "files_usual", 3, not parts, "; ".join([kinds, *parts]), expected="8-bit stills that are what their names say",
        advice="convert them to one format, so that every program sees the same picture",
        hypothesis="other programs read the files as this one does",
    )  # fmt: skip


def sizes_alike(found: Inspected) -> Verdict:
    """Pictures have about one size and shape (tip 3)."""
    if "width" not in found.examples.facts or len(found.examples) == 0:
        return _skip("sizes_alike", 3, "the data are not image files")
    width, height = found.examples.facts["width"], found.examples.facts["height"]
    shapes, counts = np.unique(np.stack([width, height], 1), axis=0, return_counts=True)
    usual = shapes[counts.argmax()]
    area, aspect = np.sqrt(width * height), width / np.maximum(height, 1)
    odd = (area < 0.5 * np.median(area)) | (area > 2 * np.median(area))
    odd |= np.abs(np.log(aspect / np.median(aspect))) > np.log(1.5)
    return _judged(
        "sizes_alike", 3, not odd.any(), f"{len(shapes)} sizes, most {usual[0]}x{usual[1]} ({counts.max()}); "
        f"{odd.sum()} are half or double as large, or of another shape{_colon(_names(found, [odd]), int(odd.sum()))}",
        expected="0", advice="they are scaled and their centre taken: look whether what matters is still there",
        hypothesis="one scale fits all pictures", measured={"odd": float(odd.sum())},
        pictures=gallery(found.examples, np.flatnonzero(odd)[: 2 * SHOWN], None, "pictures of unusual size"),
    )  # fmt: skip


def no_blanks(found: Inspected) -> Verdict:
    """No picture is of one colour (tip 3)."""
    if not found.images:
        return _skip("no_blanks", 3, "the data are not images")
    mask = found.issues.get("blank", np.zeros(len(found.examples), bool))
    return _judged(
        "no_blanks", 3, not mask.any(), f"{mask.sum()} blank pictures{_colon(_names(found, [mask]), int(mask.sum()))}",
        expected="0", advice="leave them out: inspect.exclude=exclude.txt, then data.exclude=exclude.txt",
        hypothesis="every picture shows something", measured={"examples": float(mask.sum())},
    )  # fmt: skip


def features_vary(found: Inspected) -> Verdict:
    """No feature is constant, an identifier, or mostly missing (tip 3)."""
    inputs, columns = found.examples.inputs, found.examples.columns
    if found.images:
        return _skip("features_vary", 3, "the data are images")
    flat = inputs.reshape(len(inputs), -1)
    names = [c.name for c in columns] if columns is not None else [f"x{i}" for i in range(flat.shape[1])]
    problems = []
    for place, name in enumerate(names):
        values = flat[:, place]
        known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        holes = 1 - len(known) / max(len(values), 1)
        if len(known) == 0 or known.min() == known.max():
            problems.append(f"{name} is constant")
        elif holes > 0.5:
            problems.append(f"{name} is missing in {holes:.0%}")
        elif columns is not None and columns[place].categories is None and _counts_rows(known):
            problems.append(f"{name} numbers the rows")
    return _judged(
        "features_vary", 3, not problems, f"{len(problems)} of {len(names)} features say nothing"
        f"{_colon('; '.join(problems[:SHOWN]), len(problems))}", expected="0",
        advice="leave them out: data.drop=[…]" if columns is not None else "leave them out of the data",
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
    listed = ", ".join(
        f"{found.examples.name_of(i)} ({found.outliers.by[i]}, {min(found.outliers.score[i], 999):.0f})"
        for i in marked[:4]
    )
    captions = [f"{found.examples.name_of(i)}: {found.outliers.by[i]}" for i in order[: 2 * SHOWN]]
    return _judged(
        "few_outliers", 6, len(marked) == 0, f"{len(marked)} examples are more than 8 robust deviations from the "
        f"median in some statistic{_colon(listed, len(marked), 4)}", expected="0",
        advice="look at them, inspect.sort=-outlier_score: errors to repair, or rare cases to gather more of",
        hypothesis="extremes belong to the data", measured={"examples": float(len(marked))},
        pictures=gallery(found.examples, order[: 2 * SHOWN], captions, "the most unusual examples"),
    )  # fmt: skip


def losses_even(found: Inspected) -> Verdict:
    """The model's worst examples (tip 4)."""
    if found.loss is None or found.prediction is None:
        return _skip("worst_predictions", 4, "no model: inspect.run=<trial folder> gives one")
    known = np.flatnonzero(np.isfinite(found.loss))
    order = known[np.argsort(-found.loss[known], kind="stable")]
    labels = found.labels()
    worst = order[: 2 * SHOWN]
    top = max(1, len(order) // 100)
    share = float(found.loss[order[:top]].sum() / max(found.loss[known].sum(), 1e-12))
    captions = [f"{_short(labels[i])}, said {_short(found.prediction[i])}, {found.loss[i]:.2g}" for i in worst]
    rows = [
        [found.examples.name_of(i), _short(labels[i]), _short(found.prediction[i]), f"{found.loss[i]:.3g}"]
        for i in worst
    ]
    names = [found.examples.name_of(i) for i in worst]
    listed = table(["example", "label", "prediction", "loss"], rows, "the worst examples")
    by_loss = histogram(found.loss[known], "losses", x="loss")
    likely = found.guesses is not None and found.guesses.wrong[order[:top]].mean() > 0.3
    return _judged(
        "worst_predictions", 4, not likely, f"the worst 1 % ({top}) have {share:.0%} of the loss of {len(known)} "
        f"examples of train and validation; worst: {', '.join(names[:4])}",
        expected="hard examples, not wrong labels",
        advice="many of the worst have labels that a simple model doubts too: look at them first, inspect.sort=-loss",
        hypothesis="what the model gets wrong is hard, not mislabelled", measured={"share_of_worst": share},
        pictures=(*gallery(found.examples, worst, captions, "the worst examples"), listed, by_loss),
    )  # fmt: skip


VERDICTS: tuple[Callable[[Inspected], Verdict], ...] = (
    files_readable, values_usable, classes_balanced, splits_sound, splits_disjoint, duplicates_agree, labels_likely,
    no_exact_duplicates, no_near_duplicates, no_blanks, features_vary, files_usual, sizes_alike, few_outliers,
    losses_even,
)  # fmt: skip


def _judged(
    name: str, tip: int, holds: bool, reason: str, *, expected: str, advice: str, hypothesis: str,
    measured: dict[str, float] | None = None, pictures: tuple[Picture, ...] = (),
) -> Verdict:  # fmt: skip
    state = PASS if holds else FAIL
    return Verdict(name, state, reason, expected, advice, measured or {}, pictures, hypothesis, tip, "data")


def _skip(name: str, tip: int, reason: str) -> Verdict:
    return Verdict(name, NOT_APPLICABLE, reason, tip=tip, group="data")


def _colon(words: str, count: int, shown: int = SHOWN) -> str:
    return f": {words}{' …' if count > shown else ''}" if words else ""


def _names(found: Inspected, masks: Sequence[Array | None]) -> str:
    rows = np.flatnonzero(np.logical_or.reduce([mask for mask in masks if mask is not None]))
    return ", ".join(found.examples.name_of(int(i)) for i in rows[:4])


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
    captions = [f"{found.examples.name_of(int(i))} {SPLITS[found.split[i]]} {_short(labels[i])}" for i in rows]
    return gallery(found.examples, rows, captions, "the first groups, one after the other")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)[:24]
