"""Splitting and standardising, as functions of arrays alone."""

from __future__ import annotations

import numpy as np

from sweeper.errors import ConfigError
from sweeper.trial.data.examples import SPLITS, Array, Examples

ROWS = 4096  # examples that are scaled at once: bounds memory
TARGET_BINS = 10  # strata of a regression target: deciles, so that each split sees its whole range


Parts = tuple[Array, Array, Array]
"""Indices of train, validation and test, each sorted."""


def parts_of(examples: Examples, *, val: float, test: float, seed: int) -> Parts:
    """The source's own split where it has one, else one drawn; a group stays on one side of a drawn one.

    A source that gives train and test alone has its validation drawn from train, with the share ``val``.
    """
    by = strata(examples.targets, examples.classes)
    if examples.split is None:
        if examples.groups is not None:
            return split_groups(by, examples.groups, val=val, test=test, seed=seed)
        return split_indices(by, val=val, test=test, seed=seed)
    train, val_, test_ = (np.flatnonzero(examples.split == number) for number in range(len(SPLITS)))
    if len(val_) == 0 and len(train):
        if examples.groups is not None:
            inner = split_groups(by[train], examples.groups[train], val=val, test=0, seed=seed)
        else:
            inner = split_indices(by[train], val=val, test=0, seed=seed)
        train, val_ = train[inner[0]], train[inner[1]]
    _leave_some(train, val_)
    return train, val_, test_


def shared_groups(groups: Array, parts: Parts) -> Array:
    """The groups that are in more than one part."""
    present, counts = np.unique(np.concatenate([np.unique(groups[part]) for part in parts]), return_counts=True)
    return present[counts > 1]


def strata(targets: Array, classes: tuple[str, ...] | None) -> Array:
    """What each split gets its fair share of: the class, or the decile of a regression target."""
    if classes is not None:
        return targets
    edges = np.quantile(targets, np.linspace(0, 1, TARGET_BINS + 1)[1:-1])
    return np.searchsorted(edges, targets)


def split_indices(strata: Array, *, val: float, test: float, seed: int) -> Parts:
    """Indices of train, validation and test, each sorted; the shares hold within each stratum.

    A stratum too small to share (one or two examples at 20 %) stays in train.
    """
    _check_shares(val, test)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"data.split.seed must be a whole number >= 0, got {seed!r}; try data.split.seed=0")
    rng = np.random.default_rng(seed)
    parts: tuple[list[Array], ...] = ([], [], [])
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        n_val, n_test = (int(len(members) * share + 0.5) for share in (val, test))
        for part, piece in zip(
            parts, np.split(members, [len(members) - n_val - n_test, len(members) - n_test]), strict=True
        ):
            part.append(piece)
    train, val_, test_ = (np.sort(np.concatenate(part)) for part in parts)
    _leave_some(train, val_)
    return train, val_, test_


def split_groups(strata: Array, groups: Array, *, val: float, test: float, seed: int) -> Parts:
    """The same by whole groups: the largest first, each to the part that lacks most of what it holds."""
    _check_shares(val, test)
    _, group = np.unique(groups, return_inverse=True)
    _, stratum = np.unique(strata, return_inverse=True)
    counts = np.zeros((group.max() + 1, stratum.max() + 1))
    np.add.at(counts, (group, stratum), 1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    lacking = np.outer([1 - val - test, val, test], counts.sum(0))
    part = np.zeros(len(counts), np.int64)
    total = np.maximum(counts.sum(0), 1)
    for number in order:
        part[number] = np.argmax((lacking / total) @ counts[number])
        lacking[part[number]] -= counts[number]
    train, val_, test_ = (np.flatnonzero(part[group] == number) for number in range(len(SPLITS)))
    _leave_some(train, val_)
    return train, val_, test_


def _check_shares(val: float, test: float) -> None:
    plain = all(isinstance(share, (int, float)) and not isinstance(share, bool) for share in (val, test))
    if not (plain and val > 0 and test >= 0 and val + test < 1):
        raise ConfigError(
            f"data.split must have val > 0, test >= 0 and val + test < 1, got val={val}, test={test}; "
            "try data.split.val=0.2 data.split.test=0.2"
        )


def _leave_some(train: Array, val: Array) -> None:
    if not (len(train) and len(val)):
        raise ConfigError(
            f"data.split must leave examples to train and val, got {len(train)} and {len(val)}; give it more rows"
        )


def moments(inputs: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each feature, or of each channel of images (examples, channels, h, w).

    A constant feature gets a deviation of 1, so that it becomes 0 instead of infinite.
    """
    axes = (0, 2, 3) if inputs.ndim == 4 else (0,)
    mean = inputs.mean(axes, dtype=np.float64, keepdims=True)
    if len(inputs) <= 8 * ROWS:
        std = inputs.std(axes, dtype=np.float64, keepdims=True)
    else:  # numpy's makes a float64 copy of all
        pieces = (
            np.square(inputs[at : at + ROWS] - mean).sum(axes, keepdims=True) for at in range(0, len(inputs), ROWS)
        )
        std = np.sqrt(sum(pieces, np.zeros_like(mean)) * (mean.size / inputs.size))
    return mean, np.where(std > 1e-9 * np.abs(mean), std, 1.0)  # 1e-9: rounding, not spread


def standardise(values: Array, mean: Array | float, std: Array | float) -> Array:
    """``(values - mean) / std`` in float32."""
    scaled = np.empty(values.shape, np.float32)
    for start in range(0, len(values), ROWS):  # float64 between: a chunk of it, not all
        scaled[start : start + ROWS] = (values[start : start + ROWS] - mean) / std
    return scaled
