"""Small pictures of examples for the page, as data of the page itself."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np

from sweeper.trial.data.examples import Array, Examples
from sweeper.trial.pictures import Picture

SIDE = 64  # pixels of a thumbnail at most


def thumbnail(examples: Examples, example: int, span: tuple[float, float]) -> str:
    """A data address of the example as it is read, ``span`` being black and white."""
    from PIL import Image

    pixels = np.asarray(examples.inputs[example], np.float32)
    low, high = span
    levels = (np.clip((np.nan_to_num(pixels) - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(levels[0] if len(levels) != 3 else levels.transpose(1, 2, 0))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    if max(image.size) <= 16:
        image.save(file, "PNG")
        kind = "png"
    else:
        image.save(file, "JPEG", quality=80)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def span_of(examples: Examples) -> tuple[float, float]:
    """Black and white of all thumbnails: the pixels' own range."""
    if examples.inputs.dtype == np.uint8:
        return 0.0, 255.0
    return float(np.nanmin(examples.inputs)), float(np.nanmax(examples.inputs))


def gallery(
    examples: Examples, rows: Array | Sequence[int], captions: Sequence[str] | None, caption: str
) -> tuple[Picture, ...]:
    """Pictures of these examples side by side, each with its caption; none where the data are no images."""
    inputs = examples.inputs
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3, 4) or len(rows) == 0:
        return ()
    span = span_of(examples)
    cells = []
    for place, row in enumerate(rows):
        words = captions[place] if captions is not None else examples.name_of(int(row))
        cells.append(
            f'<figure><img class="thumb" src="{thumbnail(examples, int(row), span)}" alt="{html.escape(words)}">'
            f"<figcaption>{html.escape(words)}</figcaption></figure>"
        )
    return (Picture(f'<div class="montage">{"".join(cells)}</div>', caption),)
