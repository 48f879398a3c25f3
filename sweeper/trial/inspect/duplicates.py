"""Groups of examples that are the same, or nearly so."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from sweeper.trial.data.examples import Array, Examples
from sweeper.trial.inspect.near_images import near_images
from sweeper.trial.inspect.near_rows import near_rows
from sweeper.trial.inspect.resample import Floats

Ints = npt.NDArray[np.int64]


def exact_groups(inputs: Array) -> Ints:
    """(examples,) a number that examples with the same inputs, bit for bit, share."""
    seen: dict[bytes, int] = {}
    rows = (np.ascontiguousarray(inputs[i]).tobytes() for i in range(len(inputs)))
    return np.array(
        [seen.setdefault(hashlib.blake2b(row, digest_size=16).digest(), len(seen)) for row in rows], np.int64
    )


def near_groups(examples: Examples, exact: Ints, images: Floats | None, rows: Floats) -> tuple[Ints, Array]:
    """(examples,) the number of the group of near duplicates, exact ones included; and the pairs behind it.

    One of each exact group stands for it. ``images``: reduced pictures, ``rows`` (examples, features) otherwise.
    """
    _, first = np.unique(exact, return_index=True)
    first = first[~blank(examples.inputs)[first]] if images is not None else first
    pairs, _ = near_images(images[first]) if images is not None else near_rows(rows[first])
    pairs = first[pairs] if len(pairs) else np.empty((0, 2), np.int64)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(pairs)), (exact[pairs[:, 0]], exact[pairs[:, 1]])), shape=(exact.max() + 1,) * 2)
    return connected_components(links, directed=False)[1][exact].astype(np.int64), pairs


def blank(inputs: Array) -> npt.NDArray[np.bool_]:
    """(examples,) pictures of one colour: their standard deviation is below a hundredth of the data's range."""
    flat = np.array([float(np.std(inputs[i].reshape(len(inputs[i]), -1), axis=1).max()) for i in range(len(inputs))])
    return np.asarray(flat < 0.01 * _range(inputs))


def _range(inputs: Array) -> float:
    if inputs.dtype == np.uint8:
        return 255.0
    return max(float(np.nanmax(inputs) - np.nanmin(inputs)), 1e-12)


def several(groups: Ints) -> npt.NDArray[np.bool_]:
    """(examples,) whether the group has another member."""
    return np.asarray(np.bincount(groups)[groups] > 1)


def across(groups: Ints, split: Ints) -> npt.NDArray[np.bool_]:
    """(examples,) whether the group has members in two splits or more."""
    low, high = np.full(groups.max() + 1, np.iinfo(np.int64).max), np.full(groups.max() + 1, -1)
    np.minimum.at(low, groups, split)
    np.maximum.at(high, groups, split)
    return np.asarray((low != high)[groups])
