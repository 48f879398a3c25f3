"""Classes and splits (recipe tip 1)."""

from __future__ import annotations

import numpy as np

from sweeper.trial.data.examples import SPLITS
from sweeper.trial.data.split import shared_groups
from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.judged.words import SHOWN, judged
from sweeper.trial.pictures import bars, histogram
from sweeper.trial.verdict import Verdict

IMBALANCE = 10.0  # largest class over smallest: above it, accuracy says little


def classes_balanced(found: Inspected) -> Verdict:
    """Classes, or the range of the target (tip 1)."""
    classes, targets = found.examples.classes, found.examples.targets
    if classes is None:
        spread = histogram(targets, "the target", x="value")
        constant = bool(np.ptp(targets) == 0) if len(targets) else True
        return judged(
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
    ends = f"{counts[low]} examples ({classes[low]}) to {counts[high]} ({classes[high]})"
    sizes = f"{counts[low]} examples each" if counts[low] == counts[high] else ends
    reason = f"{len(classes)} classes, {sizes}" + (f", {len(unreadable)} more unreadable" if unreadable else "")
    if (counts > 0).sum() < 2:
        advice = "data.root needs a folder a class" if found.images else "name another target"
        return judged("classes_balanced", 1, False, reason, expected="two classes or more", advice=advice,
                       hypothesis="there is more than one class", pictures=(picture,))  # fmt: skip
    few = [f"{classes[i]} ({counts[i]})" for i in np.argsort(counts) if counts[i] < 3]
    ratio = counts[high] / max(counts[low], 1)
    if few:
        return judged(
            "classes_balanced", 1, False, f"{reason}; too few for each split: {', '.join(few[:SHOWN])}",
            expected="3 examples a class or more, one for each split",
            advice="gather more of it, merge it with another class, or leave it out", pictures=(picture,),
            hypothesis="every class can be in every split", measured={"least": float(counts[low])},
        )  # fmt: skip
    return judged(
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
        return judged(
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
    return judged(
        "splits_sound", 1, not lacking and not empty, "; ".join([sizes, *lacking]),
        expected="every class in each split",
        advice="gather more examples of it, or draw another split (data.split.seed=1)",
        hypothesis="train, validation and test see the same classes",
    )  # fmt: skip
