"""No feature that is the target in disguise."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import flat, replace, tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

SURE = 0.999  # of the target's variance: classes would lie 60 deviations apart
GRID, IN_ORDER = 0.1, 0.95  # of a step off whole steps, by rounding; of neighbours that share the class
FARTHEST = 20  # steps from one row to the next: the rows between are in other splits
EXAMPLES = 128
OTHERS = 0.2  # share of the features that may be so before the task is simply easy


class TargetLeakage(Check):
    """A feature that gives the target away will not be there when it counts."""

    name, rank, tip = "target_leakage", 50, 6
    hypothesis = "No single feature determines the target."
    advice = "remove the feature: it was computed from the target, or recorded after it"
    needs = ("finite_inputs", "labels_in_range", "inputs_vary")

    def measure(self, subject: Subject) -> Verdict:
        """Share of each feature's variance between classes, or its squared rank correlation with the target."""
        x = flat(subject.pool.inputs)
        labels = subject.labels(subject.pool.targets).cpu()
        if len(x) < FEWEST or x.shape[1] < 3:
            raise NotApplicable("there are too few examples or features")
        shares = _between(x, labels) if subject.is_labels else _correlation(x, labels)
        if (number := _running_number(x, labels)) is not None and subject.is_labels:
            return self.failed(
                f"feature {number} counts the examples, in an order sorted by class", expected="no row number among "
                "the features", advice="remove the row number (the table's index), or what was made from it",
            )  # fmt: skip
        sure = (shares >= SURE).nonzero()[:, 0]
        sure = sure[[_used(subject, int(number)) for number in sure[:8]]] if 0 < len(sure) <= 8 else sure
        best = int(shares.argmax())
        top = {f"feature {int(i)}": float(shares[i]) for i in shares.argsort(descending=True)[:10]}
        return self.judged(
            len(sure) == 0 or len(sure) > max(OTHERS * x.shape[1], 1),
            f"feature {best} alone explains {shares[best]:.2%} of the target, {len(sure)} of {x.shape[1]} more "
            f"than {SURE:.1%}",
            expected="none, where others don't", measured={"best": float(shares[best])},
            pictures=(bars(top, "What single features explain", y="share"),),
        )  # fmt: skip


def _between(x: Tensor, labels: Tensor) -> Tensor:
    centred = x - x.mean(0)
    total = centred.square().sum(0)
    within = torch.zeros_like(total)
    for label in torch.unique(labels):
        rows = x[labels == label]
        within += (rows - rows.mean(0)).square().sum(0)
    return torch.where(total > 1e-12, 1 - within / total.clamp(min=1e-12), torch.zeros_like(total))


def _correlation(x: Tensor, values: Tensor) -> Tensor:
    ranks = torch.stack([x.argsort(0).argsort(0).double(), x], 0)
    wanted = torch.stack([values.argsort().argsort().double(), values.double()], 0)
    found = []
    for columns, target in zip(ranks, wanted, strict=True):
        a, b = columns - columns.mean(0), target - target.mean()
        norm = a.norm(dim=0) * b.norm()
        found.append(torch.where(norm > 1e-9, (a * b[:, None]).sum(0) / norm.clamp(min=1e-9), torch.zeros_like(norm)))
    constant = x.std(0) == 0
    return torch.stack(found).square().max(0).values.masked_fill(constant, 0.0)


def _running_number(x: Tensor, labels: Tensor) -> int | None:
    """A feature whose values all differ, lie on one grid, and are in the order of the classes."""
    ordered, order = x.sort(0)
    gaps = ordered[1:] - ordered[:-1]
    least = gaps.min(0).values
    steps = gaps / least.clamp(min=1e-12)
    on_grid = torch.where(least > 0, (steps - steps.round()).abs().max(0).values, 1.0)
    neighbours = (labels[order[1:]] == labels[order[:-1]]).double().mean(0)
    found = ((on_grid < GRID) & (neighbours > IN_ORDER) & (steps.max(0).values < FARTHEST)).nonzero()[:, 0]
    return int(found[0]) if len(found) else None


@torch.no_grad()
def _used(subject: Subject, number: int) -> bool:
    """The outputs depend on a feature in evaluation: a label that only training needs, for a margin, will not lack."""
    batch = subject.pool.first(EXAMPLES)
    for index, tensor in enumerate(t for t in tensors(batch.inputs) if t.ndim and not t.is_complex()):
        width = tensor[0].numel()
        if number >= width:
            number -= width
            continue
        changed = tensor.clone().reshape(len(tensor), -1)
        changed[:, number] = changed[:, number].flip(0)
        inputs = replace(batch.inputs, index, changed.reshape(tensor.shape))
        before, after = (subject.outputs(given) for given in (batch.inputs, inputs))
        return not torch.equal(before, after)
    return True
