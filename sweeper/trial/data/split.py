"""Splitting and standardising, as functions of arrays alone."""

from __future__ import annotations

import numpy as np

from sweeper.errors import ConfigError
from sweeper.trial.data.examples import Array

TARGET_BINS = 10  # strata of a regression target: deciles, so that each split sees its whole range


def strata(targets: Array, classes: tuple[str, ...] | None) -> Array:
    """What each split gets its fair share of: the class, or the decile of a regression target."""
    if classes is not None:
        return targets
    edges = np.quantile(targets, np.linspace(0, 1, TARGET_BINS + 1)[1:-1])
    return np.searchsorted(edges, targets)


def split_indices(strata: Array, *, val: float, test: float, seed: int) -> tuple[Array, Array, Array]:
    """Indices of train, validation and test, each sorted; the shares hold within each stratum.

    A stratum too small to share (one or two examples at 20 %) stays in train.
    """
    if not (val > 0 and test >= 0 and val + test < 1):
        raise ConfigError(
            f"data.split must have val > 0, test >= 0 and val + test < 1, got val={val}, test={test}; "
            "try data.split.val=0.2 data.split.test=0.2"
        )
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
    if not (len(train) and len(val_)):
        raise ConfigError(f"data.split must leave examples to train and val, got {len(train)} and {len(val_)}")
    return train, val_, test_


def moments(inputs: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each feature, or of each channel of images (examples, channels, h, w).

    A constant feature gets a deviation of 1, so that it becomes 0 instead of infinite.
    """
    axes = (0, 2, 3) if inputs.ndim == 4 else (0,)
    mean = inputs.mean(axes, dtype=np.float64, keepdims=True)
    std = inputs.std(axes, dtype=np.float64, keepdims=True)
    return mean, np.where(std > 1e-9 * np.abs(mean), std, 1.0)  # 1e-9: rounding, not spread


def standardise(values: Array, mean: Array | float, std: Array | float) -> Array:
    """``(values - mean) / std`` in float32."""
    return ((values - mean) / std).astype(np.float32)
