"""Cropping and scaling of images as matrices: a triangle filter, as Pillow's bilinear resizing has it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def weights(start: npt.ArrayLike, length: npt.ArrayLike, out: int, size: int) -> Floats:
    """(…, out, size): each row averages pixels of a line of ``size`` for one pixel of a line of ``out``.

    ``start`` and ``length``, (…), say which part of the line is taken, as shares of it.
    """
    begin = np.asarray(start, np.float32)[..., None, None] * size
    step = np.asarray(length, np.float32)[..., None, None] * size / out
    centre = begin + (np.arange(out, dtype=np.float32)[:, None] + 0.5) * step
    pixel = np.arange(size, dtype=np.float32) + 0.5
    triangle = np.maximum(0, 1 - np.abs(pixel - centre) / np.maximum(step, 1))
    return np.asarray(triangle / np.maximum(triangle.sum(-1, keepdims=True), 1e-6), np.float32)


def crop(images: Floats, top: float, left: float, length: float, out: int) -> Floats:
    """(n, channels, size, size) to (n, channels, out, out): the same part of every image."""
    rows, columns = (weights(at, length, out, images.shape[-1]) for at in (top, left))
    return np.asarray(rows @ images @ columns.T, np.float32)
