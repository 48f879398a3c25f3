"""Models simple enough to be sure of: ridge regression and the nearest neighbour, each example left out in turn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch, flat, main, tensors
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.subject import Subject

MOST = 1024  # examples, as distances and the ridge are cubic in them
WIDEST = 1024  # features; wider inputs are projected at random, which keeps distances (Johnson & Lindenstrauss 1984)
FEWEST = 40
LABEL_SHUFFLES = 20
SIGMAS = 4.0  # above what shuffled labels give: 1 in 30,000 by chance


@dataclass(frozen=True)
class Score:
    """A simple model's ``score`` (accuracy, or R² of the best model), and that of shuffled labels."""

    score: float
    chance: float
    sigma: float

    @property
    def z(self) -> float:
        """Deviations above chance."""
        return (self.score - self.chance) / max(self.sigma, 1e-9)


def features(batch: Batch) -> Tensor:
    """(examples, features): flattened numbers, for tokens the counts of each as well; float64."""
    parts = []
    for tensor in tensors(batch.inputs):
        if tensor.is_floating_point() or tensor.ndim != 2 or tensor.dtype == torch.bool:
            parts.append(flat(tensor))
            if tensor.ndim == 3:  # a sequence: what it has on average, whatever its length
                parts += [tensor.double().mean(1).cpu(), tensor.double().std(1).nan_to_num().cpu()]
        else:
            tokens = int(tensor.max()) + 1
            if tokens <= WIDEST:
                hot = torch.zeros(len(tensor), tokens, dtype=torch.float64)
                parts.append(hot.scatter_add_(1, tensor.long().cpu(), torch.ones(tensor.shape, dtype=torch.float64)))
            parts.append(flat(tensor))
    joined = torch.cat(parts, 1).nan_to_num()  # a missing value that the model takes care of
    if joined.shape[1] > WIDEST:
        generator = torch.Generator().manual_seed(0)
        joined = joined @ torch.randn(joined.shape[1], WIDEST, generator=generator, dtype=torch.float64) / 32.0
    return joined


def standardised(x: Tensor, by: Tensor | None = None) -> Tensor:
    """Columns of mean 0 and deviation 1 (those of ``by``); constant ones 0."""
    by = x if by is None else by
    std = by.std(0)
    return (x - by.mean(0)) / torch.where(std > 1e-9, std, torch.inf)


def targets_matrix(subject: Subject, targets: Tensor) -> Tensor:
    """(examples, classes) one-hot, or (examples, 1) standardised values; NotApplicable for dense targets."""
    labels = subject.labels(targets).cpu()
    if subject.is_labels:
        numbers = torch.unique(labels, return_inverse=True)[1]
        return torch.nn.functional.one_hot(numbers).double()
    values = labels.double()[:, None]
    return (values - values.mean()) / values.std().clamp(min=1e-12)


def on_training(subject: Subject) -> Score:
    """:func:`left_out` on the training examples at hand, measured once; NotApplicable where it can't say."""
    if "left_out" not in subject.facts:
        batch = sample(subject.pool)
        if not has_features(batch):
            raise NotApplicable("inputs do not vary")
        if not subject.supervised:
            raise NotApplicable("the loss does not look at the targets")
        y = targets_matrix(subject, batch.targets)
        if y.shape[1] > len(y) / 4:
            raise NotApplicable(f"{y.shape[1]} classes for {len(y)} examples are too many to say")
        subject.facts["left_out"] = left_out(standardised(features(batch)), y, subject.is_labels)
    found: Score = subject.facts["left_out"]
    return found


def left_out(x: Tensor, y: Tensor, is_labels: bool) -> Score:
    """The better of ridge and nearest neighbour on examples that they have not seen, against shuffled labels."""
    if len(x) < FEWEST:
        raise NotApplicable(f"there are {len(x)} examples, fewer than {FEWEST}")
    hat = _ridge_hat(x)
    distances = torch.cdist(x, x).fill_diagonal_(math.inf)
    neighbour = distances.argmin(1)
    generator = torch.Generator().manual_seed(0)
    scores = [_scores(hat, neighbour, y, is_labels)]
    for _ in range(LABEL_SHUFFLES):
        scores.append(_scores(hat, neighbour, y[torch.randperm(len(y), generator=generator)], is_labels))
    table = torch.tensor(scores, dtype=torch.float64)
    found = [Score(float(table[0, i]), float(table[1:, i].mean()), float(table[1:, i].std())) for i in range(2)]
    return max(found, key=lambda score: score.z)


def _ridge_hat(x: Tensor) -> Tensor:
    """The matrix that gives each left-out prediction from the others' targets (Golub, Heath & Wahba 1979)."""
    rows = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)  # a column for the mean
    penalty = 0.1 * float(rows.square().sum(1).mean())
    eye = torch.eye(len(x), dtype=x.dtype)
    if rows.shape[1] < len(x):  # the inverse of whichever is smaller: over features, or over examples
        gram = rows.T @ rows
        gram.diagonal().add_(penalty)
        rest = eye - rows @ torch.linalg.solve(gram, rows.T)
    else:
        gram = rows @ rows.T
        gram.diagonal().add_(penalty)
        rest = penalty * torch.linalg.inv(gram)
    hat: Tensor = eye - rest / rest.diagonal()[:, None]
    return hat


def _scores(hat: Tensor, neighbour: Tensor, y: Tensor, is_labels: bool) -> list[float]:
    # hat: prediction without example i is y_i - (rest @ y)_i / rest_ii
    return [_score(hat @ y, y, is_labels), _score(y[neighbour], y, is_labels)]


def _score(predicted: Tensor, y: Tensor, is_labels: bool) -> float:
    if is_labels:
        right = predicted.argmax(1) == y.argmax(1)
        shares = y.mean(0)
        per_class = torch.stack([right[y[:, c] == 1].double().mean() for c in range(y.shape[1]) if shares[c] > 0])
        return float(per_class.mean())  # balanced: a rare class counts as much as a frequent one
    a, b = predicted[:, 0] - predicted.mean(), y[:, 0] - y.mean()
    return float((a @ b) / (a.norm() * b.norm()).clamp(min=1e-12))


def sample(batch: Batch) -> Batch:
    """At most ``MOST`` examples, none without its target."""
    there = batch.targets.reshape(len(batch), -1).isfinite().all(1)
    return batch.take(there.nonzero()[:MOST, 0])


def has_features(batch: Batch) -> bool:
    """True if there is a number that varies."""
    x = flat(main(batch.inputs))
    return bool((x != x[0]).any())
