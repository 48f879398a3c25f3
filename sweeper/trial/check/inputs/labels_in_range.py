"""Class numbers that the outputs have a place for."""

from __future__ import annotations

import torch
from torch import nn

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import CLASSES
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

IGNORE = -100  # torch's ignore_index
ENOUGH = 20  # examples in each other class: one as frequent would be absent by chance with probability e^-20


class LabelsInRange(Check):
    """Class numbers go from 0 to outputs - 1, and there are two of them at least."""

    name, rank, tip = "labels_in_range", 60, 3
    hypothesis = "Labels are class numbers from 0 to outputs - 1."
    advice = "number the classes from 0, and give the model one output a class"

    def measure(self, subject: Subject) -> Verdict:
        """Smallest and largest label, and how many of each."""
        kind, targets = subject.kind, subject.pool.targets
        if kind.name != CLASSES or targets.is_floating_point():
            raise NotApplicable("targets are no class numbers")
        used = targets[targets != IGNORE].flatten().cpu()
        if not len(used):
            return self.failed("every label is ignored (-100)", expected="some labels that count")
        low, high = int(used.min()), int(used.max())
        words = f"labels {low} to {high} for {kind.count} outputs"
        expected = f"0 to {kind.count - 1}"
        if low >= 0 and high == kind.count and _taken(subject, high):
            raise NotApplicable("the loss takes one class more than there are outputs (ordered classes)")
        if low < 0 or high >= kind.count:
            return self.failed(words, expected=expected, measured={"low": low, "high": high})
        counts = torch.bincount(used, minlength=kind.count)
        pictures = (bars({_name(subject, i): float(c) for i, c in enumerate(counts[:60])}, "Labels", y="examples"),)
        if low == high and len(used) >= ENOUGH:
            return self.failed(f"{words}, all the same", expected="two classes or more", pictures=pictures)
        if counts[0] == 0 and kind.count > 2 and int(counts[1:].min()) >= ENOUGH and not _of_vocabulary(subject):
            return self.failed(
                f"{words}: class 0 never occurs, every other at least {int(counts[1:].min())} times",
                expected=f"{expected}; these seem to count from "
                "1", advice="subtract 1 from the labels", pictures=pictures,
            )  # fmt: skip
        return self.passed(words, expected=expected, measured={"low": low, "high": high}, pictures=pictures)


def _name(subject: Subject, number: int) -> str:
    return subject.classes[number] if subject.classes and number < len(subject.classes) else str(number)


def _of_vocabulary(subject: Subject) -> bool:
    """The classes are the tokens of an embedding: one of them, such as padding, may never be a target."""
    sizes = (module.num_embeddings for module in subject.model.modules() if isinstance(module, nn.Embedding))
    return subject.kind.count in sizes


def _taken(subject: Subject, label: int) -> bool:
    """The loss is a finite number for examples of this class."""
    batch = subject.pool.take((subject.pool.targets == label).reshape(len(subject.pool), -1).any(1).nonzero()[:16, 0])
    try:
        with torch.no_grad():
            return bool(subject.batch_loss(batch).isfinite())
    except Exception:  # cross_entropy raises
        return False
