"""Pictures for the page, drawn without a plotting library: inline SVG charts and PNG images."""

from __future__ import annotations

import base64
import html
import itertools
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

WIDTH, HEIGHT, LEFT, BOTTOM = 460, 200, 52, 26
COLOURS = ("#0b62c4", "#c2410c", "#15803d", "#7e22ce", "#525252")  # legible on white and distinct without colour sight


@dataclass(frozen=True)
class Picture:
    """An element of HTML and the caption that also serves who can't see it."""

    markup: str
    caption: str


def curves(series: Mapping[str, Sequence[float]], caption: str, *, y: str, x: str = "step") -> Picture:
    """One line a series over 0, 1, 2 …; values that are no numbers leave a gap."""
    values = np.concatenate([np.asarray(list(s), float) for s in series.values()])
    low, high = _range(values)
    longest = max(len(s) for s in series.values())
    shapes = [_axes(low, high, 0, max(longest - 1, 1), x, y)]
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [f"{_x(i, longest):.1f},{_y(v, low, high):.1f}" for i, v in enumerate(line) if np.isfinite(v)]
        shapes.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(points)}"/>')
        shapes.append(
            f'<text x="{WIDTH - 6}" y="{14 + 14 * number}" text-anchor="end" fill="{colour}">{html.escape(name)}</text>'
        )
    return Picture(_svg(shapes, caption), caption)


def bars(values: Mapping[str, float], caption: str, *, y: str) -> Picture:
    """One bar a name, from zero."""
    names, heights = list(values), np.asarray(list(values.values()), float)
    low, high = _range(np.append(heights, 0.0))
    step = (WIDTH - LEFT - 10) / max(len(names), 1)
    shapes = [_axes(low, high, None, None, "", y)]
    for number, (name, value) in enumerate(zip(names, heights, strict=True)):
        if not np.isfinite(value):
            continue
        top, zero = sorted((_y(value, low, high), _y(0.0, low, high)))
        left = LEFT + number * step + step * 0.1
        shapes.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{step * 0.8:.1f}" height="{max(zero - top, 0.5):.1f}" '
            f'fill="{COLOURS[0]}"><title>{html.escape(name)}: {value:.4g}</title></rect>'
        )
        if len(names) <= 12:
            shapes.append(
                f'<text x="{left + step * 0.4:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
                f"{html.escape(name[:14])}</text>"
            )
    return Picture(_svg(shapes, caption), caption)


def histogram(values: Array, caption: str, *, x: str) -> Picture:
    """Counts of finite values in 40 bins."""
    finite = np.asarray(values, float).ravel()
    finite = finite[np.isfinite(finite)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    if low == high:
        low, high = low - max(0.5, abs(low) * 1e-6), high + max(0.5, abs(high) * 1e-6)
    counts, edges = np.histogram(finite, np.linspace(low, high, 41))
    names = [f"{left:.3g} to {right:.3g} ({x})" for left, right in itertools.pairwise(edges)]
    return bars(dict(zip(names, counts, strict=True)), f"{caption}, from {edges[0]:.3g} to {edges[-1]:.3g}", y="count")


def heatmap(matrix: Array, caption: str, *, scale: int = 0) -> Picture:
    """A matrix in grey levels, its smallest value black."""
    values = np.asarray(matrix, float)
    pixels = scale or int(np.clip(300 // max(values.shape), 1, 16))
    image = np.kron(_grey(values), np.ones((pixels, pixels), np.uint8))
    return Picture(_img(image, caption), caption)


def montage(images: Array, captions: Sequence[str], caption: str) -> Picture:
    """(n, channels, height, width) as pictures side by side, each with its own caption under it."""
    cells = []
    for image, words in zip(images, captions, strict=True):
        channels = image if len(image) == 3 else image[:1]
        pixels = int(np.clip(64 // max(channels.shape[1:]), 1, 8))
        grey = _grey(channels)
        big = np.kron(grey, np.ones((1, pixels, pixels), np.uint8))
        picture = np.moveaxis(big, 0, -1) if len(channels) == 3 else big[0]
        cells.append(f"<figure>{_img(picture, words)}<figcaption>{html.escape(words)}</figcaption></figure>")
    return Picture(f'<div class="montage">{"".join(cells)}</div>', caption)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Picture:
    """A small table."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return Picture(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", caption)


def _range(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _x(index: float, count: int) -> float:
    return LEFT + (WIDTH - LEFT - 10) * index / max(count - 1, 1)


def _y(value: float, low: float, high: float) -> float:
    return 8 + (HEIGHT - BOTTOM - 8) * (1 - (value - low) / (high - low))


def _axes(low: float, high: float, first: float | None, last: float | None, x: str, y: str) -> str:
    base = HEIGHT - BOTTOM
    parts = [
        f'<path d="M{LEFT},8 V{base} H{WIDTH - 10}" fill="none" stroke="currentColor" stroke-width="0.7"/>',
        f'<text x="{LEFT - 4}" y="14" text-anchor="end">{high:.3g}</text>',
        f'<text x="{LEFT - 4}" y="{base}" text-anchor="end">{low:.3g}</text>',
        f'<text x="12" y="{base / 2:.0f}" text-anchor="middle" transform="rotate(-90 12 {base / 2:.0f})">'
        f"{html.escape(y)}</text>",
    ]
    if last is not None:
        parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{first:g}</text>')
        parts.append(f'<text x="{WIDTH - 10}" y="{HEIGHT - 8}" text-anchor="end">{last:g} {html.escape(x)}</text>')
    return "".join(parts)


def _svg(shapes: Sequence[str], caption: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{html.escape(caption, quote=True)}">{"".join(shapes)}</svg>'
    )


def _grey(values: Array) -> npt.NDArray[np.uint8]:
    finite = np.nan_to_num(np.asarray(values, float))
    low, high = float(finite.min()), float(finite.max())
    return np.asarray((finite - low) / (high - low or 1.0) * 255, np.uint8)


def _img(pixels: npt.NDArray[np.uint8], words: str) -> str:
    data = base64.b64encode(_png(pixels)).decode()
    height, width = pixels.shape[:2]
    alt = html.escape(words, quote=True)
    return f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{alt}">'


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """8-bit grey (height, width) or RGB (height, width, 3); PNG specification, 1996."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(pixels))
    colour = 2 if pixels.ndim == 3 else 0

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")
