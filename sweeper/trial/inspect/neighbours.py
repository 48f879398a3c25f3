"""The nearest examples of each, exactly for a few ten thousand, among nearby cells for more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

EXACT = 20_000  # keys that are all compared; 7 s on two cores
NEARBY = 12  # cells that are searched beside and with a query's own: neighbours at an edge are found
ROWS = 2048  # queries at once: bounds memory to ROWS times the keys compared


def neighbours(keys: Floats, queries: Floats, k: int) -> tuple[Ints, Floats]:
    """(queries, k) indices of keys and distances, nearest first; ``k`` is at most the number of keys."""
    k = min(k, len(keys))
    if len(keys) <= EXACT:
        return _among(keys, np.arange(len(keys)), queries, k)
    from sklearn.cluster import MiniBatchKMeans

    cells = round(len(keys) ** 0.5)
    means = MiniBatchKMeans(cells, n_init=1, max_iter=10, batch_size=8192, random_state=0).fit(
        keys[:: max(1, len(keys) // 50_000)]
    )
    centres = means.cluster_centers_.astype(np.float32)
    cell_of_key, cell_of_query = (_among(centres, np.arange(cells), rows, 1)[0][:, 0] for rows in (keys, queries))
    beside, _ = _among(centres, np.arange(cells), centres, NEARBY)
    index = np.zeros((len(queries), k), np.int64)
    distance = np.full((len(queries), k), np.inf, np.float32)
    for cell in range(cells):
        asking = np.flatnonzero(cell_of_query == cell)
        here = np.flatnonzero(np.isin(cell_of_key, beside[cell]))
        if len(asking) and len(here):
            few = min(k, len(here))
            index[asking, :few], distance[asking, :few] = _among(keys[here], here, queries[asking], few)
    return index, distance


def _among(keys: Floats, names: Ints, queries: Floats, k: int) -> tuple[Ints, Floats]:
    index = np.empty((len(queries), k), np.int64)
    distance = np.empty((len(queries), k), np.float32)
    lengths = np.square(keys).sum(1)
    for start in range(0, len(queries), ROWS):
        rows = queries[start : start + ROWS]
        far = rows @ keys.T
        far *= -2
        far += lengths  # the squared distance less the query's own length: the same order
        near = np.argpartition(far, k - 1, axis=1)[:, :k] if k < len(keys) else np.tile(np.arange(k), (len(rows), 1))
        near = np.take_along_axis(near, np.argsort(np.take_along_axis(far, near, 1), 1, kind="stable"), 1)
        squared = np.take_along_axis(far, near, 1) + np.square(rows).sum(1, keepdims=True)
        index[start : start + ROWS] = names[near]
        distance[start : start + ROWS] = np.sqrt(np.maximum(squared, 0))
    return index, distance
