"""Near duplicates among rows of numbers: the same with a little noise or rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sweeper.trial.inspect.gap import limit
from sweeper.trial.inspect.neighbours import Floats, neighbours

K = 8  # the neighbour whose distance is the scale
CHANCE = 5e-4  # of a row whose nearest counts by chance
SURELY, RARE = 0.01, 1000  # in one dimension one row in 2 * RARE is so close by chance
LEAST_ALIKE = 0.5


def near_rows(rows: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Pairs (pairs, 2) of standardised rows that are far closer than neighbours are here, and distance over limit.

    Among points that fill d dimensions evenly, the nearest is closer than a share r of the distance to the k-th
    with a chance of about k r^d; d follows from how far the nearest ones of most rows are.
    """
    if len(rows) < 4 * K:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    index, distance = neighbours(rows, rows, K + 1)
    itself = index == np.arange(len(rows))[:, None]
    distance = np.where(itself, np.inf, distance)
    order = np.argsort(distance, axis=1)
    index, distance = np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)
    scale = np.maximum(distance[:, K - 1], 1e-9)
    ratio = distance / np.minimum(scale[:, None], scale[index])
    low = float(np.quantile(distance[:, 0] / scale, 0.5))
    bound = limit(distance[:, 0] / scale, CHANCE, surely=min(SURELY, low / RARE), at_most=LEAST_ALIKE)
    a, place = np.nonzero(ratio < bound)
    pairs = np.unique(np.sort(np.stack([a, index[a, place]], 1), axis=1), axis=0)
    return pairs, np.linalg.norm(rows[pairs[:, 0]] - rows[pairs[:, 1]], axis=1)
