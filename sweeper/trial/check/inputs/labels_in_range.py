"""Class numbers that the outputs have a place for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import CLASSES
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

IGNORE = -100  # torch's ignore_index
MOST_BESIDE = 2  # what is unknown, and what is ignored
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
        used = used[~torch.isin(used, torch.tensor(_set_aside(subject, used)))]
        if not len(used):
            return self.failed("every label is ignored (-100)", expected="some labels that count")
        low, high = int(used.min()), int(used.max())
        words = f"labels {low} to {high} for {kind.count} outputs"
        expected = f"0 to {kind.count - 1}"
        if low >= 0 and high == kind.count and _taken(subject, high):
            raise NotApplicable("the loss takes one class more than there are outputs (ordered classes)")
        if low < 0 or high >= kind.count:
            if not subject.supervised:
                raise NotApplicable("the loss does not look at the targets")
            return self.failed(words, expected=expected, measured={"low": low, "high": high})
        counts = torch.bincount(used, minlength=kind.count)
        pictures = (bars({_name(subject, i): float(c) for i, c in enumerate(counts[:60])}, "Labels", y="examples"),)
        if low == high and not _has_class_weights(subject):
            raise NotApplicable("outputs are scores of candidates, the right one at the same place each time")
        if low == high and len(used) >= ENOUGH:
            return self.failed(f"{words}, all the same", expected="two classes or more", pictures=pictures)
        if counts[0] == 0 and kind.count > 2 and int(counts[1:].min()) >= ENOUGH and not of_vocabulary(subject):
            return self.failed(
                f"{words}: class 0 never occurs, every other at least {int(counts[1:].min())} times",
                expected=f"{expected}; these seem to count from "
                "1", advice="subtract 1 from the labels", pictures=pictures,
            )  # fmt: skip
        return self.passed(words, expected=expected, measured={"low": low, "high": high}, pictures=pictures)


def _name(subject: Subject, number: int) -> str:
    return subject.classes[number] if subject.classes and number < len(subject.classes) else str(number)


def of_vocabulary(subject: Subject) -> bool:
    """The classes are the tokens of an embedding: one of them, such as padding, may never be a target."""
    sizes = (module.num_embeddings for module in subject.model.modules() if isinstance(module, nn.Embedding))
    return subject.kind.count in sizes


def _set_aside(subject: Subject, used: Tensor) -> list[int]:
    """Numbers beside the classes, as -1 and 255 for what is unknown, that the loss has a place of its own for.

    Cross-entropy raises for others, and an index of -1 means the last class.
    """
    beside = torch.unique(used[(used < 0) | (used >= subject.kind.count)]).tolist()
    known = used[(used >= 0) & (used < subject.kind.count)]
    if len(beside) > MOST_BESIDE or not len(known) or not subject.plain_loss:
        return []
    batch = subject.batch.first(64)
    targets = batch.targets.clone()
    targets[~torch.isin(targets, torch.unique(known).to(targets))] = int(known[0])
    found = []
    for label in beside:
        there, last = targets.clone(), targets.clone()
        there[::2], last[::2] = label, label % subject.kind.count
        try:
            outputs = subject.first_outputs.detach()[: len(targets)]
            outputs = outputs + torch.randn_like(outputs)
            gradients = [subject.loss_gradient(outputs, t) for t in (there, last)]
        except Exception:  # cross_entropy raises
            continue
        if gradients[0].isfinite().all() and not torch.allclose(gradients[0], gradients[1]):
            found.append(int(label))
    return found


def _has_class_weights(subject: Subject) -> bool:
    """Some parameter has as many rows, or columns, as there are classes."""
    return any(subject.kind.count in p.shape for p in subject.model.parameters())


def _taken(subject: Subject, label: int) -> bool:
    """The loss is a finite number for examples of this class."""
    batch = subject.pool.take((subject.pool.targets == label).reshape(len(subject.pool), -1).any(1).nonzero()[:16, 0])
    try:
        with torch.no_grad():
            return bool(subject.batch_loss(batch).isfinite())
    except Exception:  # cross_entropy raises
        return False
