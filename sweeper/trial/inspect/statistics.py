"""Numbers of each example that a person can sort by."""

from __future__ import annotations

import numpy as np

from sweeper.trial.data.examples import Array, Examples

ROWS = 512


def image_statistics(examples: Examples) -> dict[str, Array]:
    """Brightness, contrast, sharpness and extremes of pictures, in the data's own units."""
    chunks = [_of_images(examples.inputs[at : at + ROWS]) for at in range(0, len(examples), ROWS)]
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    if "width" in examples.facts:
        found["aspect"] = examples.facts["width"] / np.maximum(examples.facts["height"], 1)
    return found


def _of_images(images: Array) -> dict[str, Array]:
    values = images.astype(np.float32)
    grey = values.mean(1)
    flat = values.reshape(len(values), -1)
    found = {
        "brightness": flat.mean(1),
        "contrast": grey.reshape(len(grey), -1).std(1),
        "darkest": flat.min(1),
        "brightest": flat.max(1),
    }
    if min(grey.shape[1:]) >= 3:
        middle = (
            grey[:, 1:-1, 1:-1] * 4 - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
        )
        found["sharpness"] = middle.reshape(len(grey), -1).std(1)
    if values.shape[1] == 3:
        found["colourfulness"] = (values.max(1) - values.min(1)).reshape(len(values), -1).mean(1)
    return found


def row_statistics(examples: Examples) -> dict[str, Array]:
    """The numeric columns themselves where they have names; else each row's mean, spread, extremes and holes."""
    if examples.columns is not None:
        found = {"missing": np.isnan(examples.inputs).sum(1)}
        for place, column in enumerate(examples.columns):
            if column.categories is None:
                found[column.name] = examples.inputs[:, place]
            else:
                words = np.array([*column.categories, ""], dtype=np.str_)
                codes = examples.inputs[:, place]
                found[column.name] = words[np.where(np.isnan(codes), len(words) - 1, codes).astype(np.int64)]
        return found
    flat = examples.inputs.reshape(len(examples), -1)
    if flat.shape[1] <= 32:
        return {f"x{place}": flat[:, place] for place in range(flat.shape[1])}
    numbers = flat.astype(np.float64)
    return {"mean": numbers.mean(1), "spread": numbers.std(1), "least": numbers.min(1), "greatest": numbers.max(1)}
