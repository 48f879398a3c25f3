"""Near duplicates among images: the same picture cropped, recompressed or with a little noise.

How alike two pictures must be to be one depends on the data: digits are all alike. So a pair counts if its
distance is far below what neighbours in this data set are from each other: among points that fill d dimensions
evenly, the chance that the nearest is closer than a share r of the distance to the k-th is about k r^d, and
where the nearest ones of most examples lie tells the rest (Levina and Bickel 2004). And what is left of the
difference must be what noise and compression leave: fine grain, hardly any of it in the means of blocks.

Pixels are compared as they are, brightness and contrast included: a copy keeps both, and they tell apart pictures
that would be alike without, such as two slopes or two patches of sky.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from sweeper.trial.inspect.gap import limit
from sweeper.trial.inspect.neighbours import neighbours
from sweeper.trial.inspect.resample import Floats, crop, weights

BASE = 32  # pixels a side that are kept of each image
SIDE = 16  # and that are compared: noise and compression average out
DIMS = 48  # principal components that neighbours are searched in
NEIGHBOURS = 8  # the k above
CROPS = ((0.05, 0.05, 0.9), (0.0, 0.0, 0.9), (0.0, 0.1, 0.9), (0.1, 0.0, 0.9), (0.1, 0.1, 0.9), (0.1, 0.1, 0.8))
CHANCE = 5e-3  # of an example whose nearest counts by chance; tails are thinner than assumed, about 1e-3 are
CHANCE_ALIGNED = 1.5e-3  # a shift and a zoom find chance likenesses that are not there otherwise
SURELY = 0.04  # of the scale: so close by chance only where the data fill two dimensions or fewer
LEAST_ALIKE = 0.6  # of the scale: whatever the dimensions, a near duplicate is closer
SMALLEST_CROP = 0.7  # of a side
BLOCK = 4  # pixels of BASE a side: 8 of 64, the block whose mean JPEG keeps
BLOCK_MEANS = 1.5 / 255  # of the range: JPEG of quality 50 rounds such a mean to steps of 2, noise of 4 moves it by 0.5
REFINED = 3  # nearest candidates of each image that are aligned
ROWS = 1024
PART = 256  # pairs at once, about as many as a cache holds

Pairs = npt.NDArray[np.int64]


def reduced(pixels: npt.NDArray[np.uint8] | Floats, scale: float) -> Floats:
    """(n, channels, h, w) to what is kept: (n, channels, side, side), luma first, then differences of colours."""
    side = min(BASE, *pixels.shape[2:])
    rows, columns = (weights(0.0, 1.0, side, size) for size in pixels.shape[2:])
    small = np.asarray(rows @ (pixels.astype(np.float32) / scale) @ columns.T, np.float32)
    if small.shape[1] != 3:
        return small
    red, green, blue = small[:, 0], small[:, 1], small[:, 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, (red - luma) * 0.7, (blue - luma) * 0.7], 1)


def vectors(images: Floats) -> Floats:
    """(n, channels, side, side) to (n, pixels)."""
    return images.reshape(len(images), -1)


def near_images(images: Floats, note: Callable[[str], None] = lambda text: None) -> tuple[Pairs, Floats]:
    """Pairs (pairs, 2) of ``reduced`` images that are near duplicates, and each one's distance over its limit."""
    if len(images) < 3:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    side = min(SIDE, images.shape[-1])
    plain = _vectors_of(images, (0.0, 0.0, 1.0), side)
    project = _principal(plain)
    keys = plain @ project
    del plain
    pairs, crops, coarse = _candidates(images, keys, project, side, note)
    as_it_is = _least(pairs, coarse, crops[:, 2] == 1)
    uncropped, how_close = _judged(images, pairs[as_it_is], crops[as_it_is], coarse[as_it_is], side, align=False)
    note("near duplicates: aligning")
    any_way = _least(pairs, coarse, crops[:, 2] > 0)
    cropped, how_alike = _judged(images, pairs[any_way], crops[any_way], coarse[any_way], side, align=True)
    pairs, ratio = np.concatenate([uncropped, cropped]), np.concatenate([how_close, how_alike])
    _, first = np.unique(np.sort(pairs, axis=1), axis=0, return_index=True)
    return pairs[first], ratio[first]


def _vectors_of(images: Floats, part: tuple[float, float, float], side: int) -> Floats:
    chunks = [vectors(crop(images[at : at + ROWS], *part, side)) for at in range(0, len(images), ROWS)]
    return np.concatenate(chunks)


def _principal(rows: Floats) -> Floats:
    sample = rows[:: max(1, len(rows) // 20_000)]
    values, axes = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    return np.asarray(axes[:, np.argsort(values)[::-1][:DIMS]], np.float32)


def _candidates(
    images: Floats, keys: Floats, project: Floats, side: int, note: Callable[[str], None]
) -> tuple[Pairs, Floats, Floats]:
    """Pairs (cropped one, whole one), the crop as (top, left, length), and the distance among components."""
    found: list[tuple[Pairs, Floats, npt.NDArray[np.int8]]] = []
    parts = [(0.0, 0.0, 1.0), *CROPS]
    for number, part in enumerate(parts):
        note(f"near duplicates: {number + 1} of {len(parts)} crops")
        queries = keys if number == 0 else _vectors_of(images, part, side) @ project
        index, distance = neighbours(keys, queries, NEIGHBOURS + 3)
        whole = index.ravel()
        cropped = np.repeat(np.arange(len(images)), index.shape[1])
        kept = (whole != cropped) & np.isfinite(distance.ravel())
        pair = np.stack([cropped[kept], whole[kept]], 1)
        found.append((pair, distance.ravel()[kept], np.full(kept.sum(), number, np.int8)))
    pairs = np.concatenate([f[0] for f in found])
    distance = np.concatenate([f[1] for f in found])
    which = np.concatenate([f[2] for f in found])
    return pairs, np.array(parts, np.float32)[which], distance


def _least(pairs: Pairs, distance: Floats, among: npt.NDArray[np.bool_]) -> Pairs:
    """Of each unordered pair the place of the one with the least distance."""
    places = np.flatnonzero(among)
    low, high = pairs[places].min(1), pairs[places].max(1)
    order = np.lexsort((distance[places], high, low))
    first = np.ones(len(order), bool)
    first[1:] = (low[order][1:] != low[order][:-1]) | (high[order][1:] != high[order][:-1])
    return places[order[first]]


def _judged(
    images: Floats, pairs: Pairs, crops: Floats, coarse: Floats, side: int, *, align: bool
) -> tuple[Pairs, Floats]:
    """The candidates that are far closer than neighbours are here, as they are or aligned as well as they can be.

    Each way has its own limit: where a shift and a zoom make pictures of one, crops can't be told from them, but
    noise and compression still can.
    """
    n = len(images)
    ends, others = np.concatenate([pairs[:, 0], pairs[:, 1]]), np.tile(np.arange(len(pairs)), 2)
    order = np.lexsort((coarse[others], ends))
    ends, others = ends[order], others[order]
    starts = np.searchsorted(ends, np.arange(n))
    counts = np.diff(np.append(starts, len(ends)))
    rank = np.arange(len(ends)) - starts[ends]

    # the scale of each image: the distance to its k-th neighbour, measured as the pairs themselves will be
    k = np.minimum(NEIGHBOURS, counts) - 1
    kth = others[np.minimum(starts + np.maximum(k, 0), len(others) - 1)]
    scale = _distances(images, pairs[kth], crops[kth], side)
    scale[k < 0] = 0
    close = np.unique(others[rank < REFINED])
    least = np.maximum(np.minimum(scale[pairs[close, 0]], scale[pairs[close, 1]]), 1e-6)
    distance = _distances(images, pairs[close], crops[close], side)
    apart = align & (distance > SURELY * least) & (distance < scale[pairs[close]].max(1))
    distance[apart] = _aligned(images, pairs[close][apart], crops[close][apart], side)
    ratio = distance / least
    nearest = np.full(n, np.inf, np.float32)
    np.minimum.at(nearest, pairs[close].ravel(), np.repeat(ratio, 2))
    bound = limit(nearest, CHANCE_ALIGNED if align else CHANCE, surely=SURELY, at_most=LEAST_ALIKE)
    kept = np.flatnonzero(ratio < bound)
    kept = kept if align else kept[_block_means(images, pairs[close][kept]) < BLOCK_MEANS]
    return pairs[close][kept], ratio[kept] / bound


def _block_means(images: Floats, pairs: Pairs) -> Floats:
    """How far apart the means of blocks are; 0 for pictures smaller than BASE, whose blocks are their pixels."""
    channels, side = images.shape[1:3]
    if side < BASE:
        return np.zeros(len(pairs), np.float32)
    difference = images[pairs[:, 0]] - images[pairs[:, 1]]
    means = difference.reshape(len(pairs), channels, side // BLOCK, BLOCK, side // BLOCK, BLOCK).mean((3, 5))
    return np.asarray(np.sqrt(np.square(means).mean((1, 2, 3))), np.float32)


def _distances(images: Floats, pairs: Pairs, crops: Floats, side: int) -> Floats:
    def some(part: slice) -> Floats:
        whole = vectors(crop(images[pairs[part, 1]], 0.0, 0.0, 1.0, side))
        return _distance(images[pairs[part, 0]], whole, crops[part], side)

    return _in_threads(some, len(pairs))


def _distance(cropped: Floats, whole: Floats, crops: Floats, side: int) -> Floats:
    rows, columns = (weights(crops[:, axis], crops[:, 2], side, cropped.shape[-1])[:, None] for axis in (0, 1))
    seen = vectors(np.asarray(rows @ cropped @ columns.transpose(0, 1, 3, 2), np.float32))
    # the fourth power: noise and compression change all pixels a little, another picture changes some a lot
    return np.asarray(np.square(np.square(seen - whole)).mean(1) ** 0.25, np.float32)


def _aligned(images: Floats, pairs: Pairs, crops: Floats, side: int) -> Floats:
    """The least distance over crops near the given ones, by coordinate descent on (top, left, length)."""
    moves = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [-0.5, -0.5, 1], [0.5, 0.5, -1]], np.float32)

    def some(part: slice) -> Floats:
        cropped = images[pairs[part, 0]]
        whole = vectors(crop(images[pairs[part, 1]], 0.0, 0.0, 1.0, side))
        best = crops[part].copy()
        least = _distance(cropped, whole, best, side)
        for step in (0.05, 0.05, 0.03, 0.03, 0.015, 0.015, 0.008, 0.004):
            for move in moves:
                tried = best + step * move
                tried[:, 2] = np.clip(tried[:, 2], SMALLEST_CROP, 1)
                tried[:, :2] = np.clip(tried[:, :2], 0, 1 - tried[:, 2:])
                distance = _distance(cropped, whole, tried, side)
                better = distance < least
                best[better], least[better] = tried[better], distance[better]
        return least

    return _in_threads(some, len(pairs))


def _in_threads(some: Callable[[slice], Floats], count: int) -> Floats:
    """``some`` of each part of ``count`` pairs, joined; numpy lets go of the interpreter in products of matrices."""
    parts = [slice(at, at + PART) for at in range(0, count, PART)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2) as pool:
        return np.concatenate([np.empty(0, np.float32), *pool.map(some, parts)])
