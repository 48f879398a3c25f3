"""Labels that a simple model, trained on the others, disagrees with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FOLDS = 5
WAVES = 512  # random features: the kernel's error falls as 1 / sqrt(WAVES)
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2)  # penalty a training example; the best out of fold is taken
LEAST_SKILL = 0.25  # of the way from chance to perfection
ROWS = 4096


@dataclass(frozen=True)
class Guesses:
    """What is guessed of each example by a model that never saw it.

    ``score``: how likely the label is wrong, in [0, 1]: one for ranking. ``wrong``: those for which the model is
    as sure of another class as it is, on average, of that class's own examples (Northcutt et al. 2021).
    ``skill``: accuracy, or R²; ``chance``: that of the commonest class, or of the mean. Without skill none is wrong.
    """

    guess: Doubles | Ints
    score: Doubles
    wrong: npt.NDArray[np.bool_]
    skill: float
    chance: float

    @property
    def skilled(self) -> bool:
        """Whether the model knows enough for its doubts to mean something."""
        return self.skill >= self.chance + LEAST_SKILL * (1 - self.chance)


def guess_labels(features: Floats, targets: Ints | Doubles, classes: int | None, groups: Ints) -> Guesses:
    """Kernel ridge regression (random Fourier features; Rahimi and Recht 2007), cross-validated in FOLDS parts.

    ``features`` (examples, features) of mean 0 and deviation 1; examples of one group are guessed together, as a
    copy would give a label away.
    """
    rng = np.random.default_rng(0)
    _, group = np.unique(groups, return_inverse=True)
    fold = rng.permutation(np.arange(group.max() + 1) % FOLDS)[group]
    if classes is None:
        middle, spread = float(np.median(targets)), max(float(np.std(targets)), 1e-12)
        wanted = ((targets - middle) / spread)[:, None].astype(np.float64)
    else:
        wanted = np.eye(classes)[targets]
    outputs = _out_of_fold(_waves(features, rng), wanted, fold)
    if classes is None:
        judged = _judge_values(outputs[:, 0] * spread + middle, np.asarray(targets, np.float64))
    else:
        judged = _judge_classes(outputs, np.asarray(targets, np.int64))
    return judged if judged.skilled else replace(judged, wrong=np.zeros(len(targets), bool))


def _waves(features: Floats, rng: np.random.Generator) -> Floats:
    """(examples, features) to cosines of random directions and the features themselves."""
    some = features[rng.permutation(len(features))[:1000]]
    squared = np.square(some[: len(some) // 2] - some[len(some) - len(some) // 2 :]).sum(1)
    width = max(float(np.median(squared)) ** 0.5, 1e-6) * 0.5
    directions = rng.normal(0, 1 / width, (features.shape[1], WAVES)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, WAVES).astype(np.float32)
    linear = min(features.shape[1], 256)
    out = np.empty((len(features), WAVES + linear + 1), np.float32)
    for at in range(0, len(features), ROWS):
        rows = features[at : at + ROWS]
        out[at : at + ROWS, :WAVES] = np.cos(rows @ directions + phases) * np.float32((2 / WAVES) ** 0.5)
        out[at : at + ROWS, WAVES:-1] = rows[:, :linear] * np.float32(0.1 / linear**0.5)
        out[at : at + ROWS, -1] = 1
    return out


def _out_of_fold(rows: Floats, wanted: Doubles, fold: Ints) -> Doubles:
    width = rows.shape[1]
    grams, sums = np.zeros((FOLDS, width, width)), np.zeros((FOLDS, width, wanted.shape[1]))
    for number in range(FOLDS):
        members = np.flatnonzero(fold == number)
        for at in range(0, len(members), ROWS):
            some = members[at : at + ROWS]
            chunk = rows[some]
            grams[number] += chunk.T @ chunk
            sums[number] += chunk.T @ wanted[some]
    best, least = np.zeros_like(wanted), np.inf
    for ridge in RIDGES:
        outputs = np.zeros_like(wanted)
        for number in range(FOLDS):
            gram, total = grams.sum(0) - grams[number], sums.sum(0) - sums[number]
            penalty = ridge * max(1, (fold != number).sum())
            weights = np.linalg.solve(gram + penalty * np.eye(width), total).astype(np.float32)
            outputs[fold == number] = rows[fold == number] @ weights
        error = float(np.square(outputs - wanted).mean())
        if error < least:
            best, least = outputs, error
    return best


def _judge_classes(outputs: Doubles, targets: Ints) -> Guesses:
    rows = np.arange(len(targets))
    own = outputs[rows, targets]
    others = outputs.copy()
    others[rows, targets] = -np.inf
    rival = others.argmax(1)
    against = others[rows, rival]
    counts = np.maximum(np.bincount(targets, minlength=outputs.shape[1]), 1)
    usual = np.bincount(targets, weights=own, minlength=outputs.shape[1]) / counts
    wrong = (against > np.maximum(usual[rival], 0.5)) & (own < 0.5)
    return Guesses(
        guess=np.where(against > own, rival, targets),
        score=np.clip((against - own + 1) / 2, 0, 1),
        wrong=wrong,
        skill=float((own > against).mean()),
        chance=float(counts.max() / len(targets)),
    )


def _judge_values(guess: Doubles, targets: Doubles) -> Guesses:
    residual = np.abs(targets - guess)
    spread = max(float(np.median(residual)) * 1.4826, 1e-12)
    unusual = residual / spread
    variance = max(float(np.var(targets)), 1e-300)
    return Guesses(
        guess=guess,
        score=unusual / (unusual + 4),  # one half at four deviations
        wrong=unusual > 8,  # one in 10^15 of a normal distribution; heavy tails have more
        skill=1 - float(np.square(targets - guess).mean()) / variance,
        chance=0.0,
    )
