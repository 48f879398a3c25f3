"""``data=npz``: arrays in a file of numpy's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from hydra.utils import to_absolute_path

from sweeper.errors import ConfigError, nearest
from sweeper.trial.data.examples import SPLITS, Array, Examples
from sweeper.trial.data.targets import targets_of

CHANNELS = (1, 3, 4)  # grey, RGB, RGB with alpha
PAIRS = (("x", "y"), ("X", "y"), ("inputs", "targets"), ("images", "labels"), ("data", "target"), ("data", "labels"))


def npz(
    *, path: str, inputs: str | None, targets: str | None, task: str,
    split_column: str | None = None, split_group: str | None = None,
) -> Examples:  # fmt: skip
    """Arrays by name; ``x_train``, ``y_train``, ``x_test`` … are splits of their own.

    Pixels (uint8) of shape (examples, h, w) or (examples, h, w, channels) become (examples, channels, h, w).
    """
    file = Path(to_absolute_path(path))
    if not file.is_file():
        raise ConfigError(f"data.path must be an .npz file, got {path}, which is not there; check the path")
    try:
        held = np.load(file, allow_pickle=False)
        arrays = {}
        if isinstance(held, np.lib.npyio.NpzFile):
            with held:
                arrays = {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"data.path must be a readable .npz file, got {path}: {error}; save it with numpy.savez"
        ) from error
    if not arrays:
        raise ConfigError(f"data.path must be an .npz file with arrays, got none in {path}; save it with numpy.savez")
    chosen = (inputs, targets) if inputs and targets else _pair(arrays, path)
    values, labels, split = _joined(arrays, *chosen)
    if len(values) != len(labels):
        raise ConfigError(
            f"data.path must have a target an example, got {len(values)} in {chosen[0]}, {len(labels)} in {chosen[1]}"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ConfigError(f"data.targets must be one number an example, got shape {labels.shape} in {chosen[1]}")
    if split_column is not None:
        split = _split_of(_named(arrays, "split.column", split_column, len(values)), split_column)
    groups = None if split_group is None else np.unique(
        _named(arrays, "split.group", split_group, len(values)), return_inverse=True
    )[1]  # fmt: skip
    found, classes = targets_of(labels, task, chosen[1])
    return Examples(file.stem, _channels_first(values), found, classes, split=split, groups=groups)


def _pair(arrays: dict[str, Array], path: str) -> tuple[str, str]:
    for pair in PAIRS:
        if set(pair) <= set(arrays) or {f"{name}_train" for name in pair} <= set(arrays):
            return pair
    listed = ", ".join(sorted(arrays)) or "none"
    raise ConfigError(f"data.inputs and data.targets must name arrays of {path}, got neither; it has {listed}")


def _joined(arrays: dict[str, Array], inputs: str, targets: str) -> tuple[Array, Array, Array | None]:
    if inputs in arrays:
        return arrays[inputs], _named(arrays, "targets", targets, None), None
    parts = [split for split in SPLITS if f"{inputs}_{split}" in arrays]
    if "train" not in parts:
        raise ConfigError(
            f"data.inputs must be an array, got {inputs}{nearest(inputs, arrays)}; it has {', '.join(sorted(arrays))}"
        )
    values = [arrays[f"{inputs}_{part}"] for part in parts]
    labels = [_named(arrays, "targets", f"{targets}_{part}", None) for part in parts]
    split = np.concatenate([np.full(len(piece), SPLITS.index(part)) for part, piece in zip(parts, values, strict=True)])
    return np.concatenate(values), np.concatenate(labels), split


def _named(arrays: dict[str, Array], key: str, name: str, length: int | None) -> Array:
    if name not in arrays:
        raise ConfigError(
            f"data.{key} must be an array, got {name}{nearest(name, arrays)}; it has {', '.join(sorted(arrays))}"
        )
    if length is not None and len(arrays[name]) != length:
        raise ConfigError(f"data.{key} must have an entry an example ({length}), got {len(arrays[name])} in {name}")
    return arrays[name]


def _split_of(values: Array, name: str) -> Array:
    if values.dtype.kind in "iu" and set(np.unique(values)) <= {0, 1, 2}:
        return values.astype(np.int64)
    words = values.astype(str)
    if strange := sorted(set(words) - set(SPLITS)):
        raise ConfigError(f"data.split.column must hold train, val and test, or 0 to 2, got {strange[0]!r} in {name}")
    return np.array([SPLITS.index(word) for word in words])


def _channels_first(values: Array) -> Array:
    if values.dtype == np.uint8 and values.ndim == 3:
        return values[:, None]
    if (
        values.dtype == np.uint8
        and values.ndim == 4
        and values.shape[3] in CHANNELS
        and values.shape[1] not in CHANNELS
    ):
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    return values
