"""From a table's columns to what a network takes, by the training split's statistics alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sweeper.trial.data.examples import Array, Column


def encode(inputs: Array, columns: tuple[Column, ...], train: Array) -> Array:
    """(examples, columns) to (examples, features) in float32: numbers as they are, a feature a category.

    A missing number becomes training's median, and a column with holes in training gets a feature that marks them.
    A category that training lacks, or a missing one, is zero in all features of its column.
    """
    features = list(_features(inputs, columns, train))
    return np.stack(features, axis=1) if features else np.empty((len(inputs), 0), np.float32)


def feature_names(inputs: Array, columns: tuple[Column, ...], train: Array) -> list[str]:
    """A name for each feature of :func:`encode`, in order."""
    names = []
    for place, column in enumerate(columns):
        if column.categories is None:
            names.append(column.name)
            names += [f"{column.name} missing"] if np.isnan(inputs[train, place]).any() else []
        else:
            names += [f"{column.name}={column.categories[code]}" for code in _present(inputs[train, place])]
    return names


def _features(inputs: Array, columns: tuple[Column, ...], train: Array) -> Iterator[Array]:
    for place, column in enumerate(columns):
        values = inputs[:, place]
        if column.categories is not None:
            for code in _present(values[train]):
                yield (values == code).astype(np.float32)
            continue
        holes = np.isnan(values)
        known = values[train][~holes[train]]
        median = np.median(known) if len(known) else 0.0
        yield np.where(holes, median, values)
        if holes[train].any():
            yield holes.astype(np.float32)


def _present(codes: Array) -> list[int]:
    return [int(code) for code in np.unique(codes[~np.isnan(codes)])]
