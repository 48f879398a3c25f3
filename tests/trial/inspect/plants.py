"""Pictures and the near duplicates that are planted among them: crops, JPEGs and noise, made by Pillow and numpy."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits, load_sample_images

KINDS = ("noise", "jpeg", "crop")


def digits() -> np.ndarray:
    return (load_digits().images / 16 * 255).round().astype(np.uint8)


def shapes(count: int, size: int = 64) -> np.ndarray:
    """Discs and squares of any colour on a ground of any colour, with grain."""
    rng, pictures = np.random.default_rng(0), []
    for _ in range(count):
        image = Image.new("RGB", (size, size), tuple(map(int, rng.integers(0, 256, 3))))
        draw = ImageDraw.Draw(image)
        for _ in range(rng.integers(2, 6)):
            (x, y), r = rng.integers(0, size, 2), rng.integers(5, 20)
            kind = draw.ellipse if rng.random() < 0.5 else draw.rectangle
            kind([int(x - r), int(y - r), int(x + r), int(y + r)], fill=tuple(map(int, rng.integers(0, 256, 3))))
        pictures.append(np.clip(np.asarray(image) + rng.normal(0, 6, (size, size, 3)), 0, 255))
    return np.array(pictures, np.uint8)


def fields(count: int, size: int = 64) -> np.ndarray:
    """Soft clouds of colour."""
    rng, pictures = np.random.default_rng(1), []
    for _ in range(count):
        coarse = (rng.normal(128, 40, (3, 6, 6))).astype(np.float32)
        planes = [np.asarray(Image.fromarray(c).resize((size, size), Image.Resampling.BICUBIC)) for c in coarse]
        pictures.append(np.clip(np.stack(planes, -1) + rng.normal(0, 5, (size, size, 3)), 0, 255))
    return np.array(pictures, np.uint8)


def stripes(count: int, size: int = 64) -> np.ndarray:
    """Waves of any direction and two colours: a shift by a wave gives the same picture."""
    rng, pictures = np.random.default_rng(0), []
    y, x = np.mgrid[:size, :size] / size
    for _ in range(count):
        angle, waves, phase = rng.uniform(0, np.pi), rng.uniform(3, 8), rng.uniform(0, 2 * np.pi)
        low, high = rng.uniform(0, 255, (2, 3))
        share = 0.5 + 0.5 * np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)
        pictures.append(np.clip(low + (high - low) * share[..., None] + rng.normal(0, 5, (size, size, 3)), 0, 255))
    return np.array(pictures, np.uint8)


def patches(size: int = 64) -> np.ndarray:
    """Squares of scikit-learn's two photographs, many of them sky or petals: alike, and no duplicates."""
    squares = []
    for photo in load_sample_images().images:
        for top in range(0, photo.shape[0] - size + 1, size):
            squares += [photo[top : top + size, at : at + size] for at in range(0, photo.shape[1] - size + 1, size)]
    return np.array(squares)


def near(picture: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """The same picture (height, width[, 3]) with a little noise, as a JPEG, or without a margin."""
    side = len(picture)
    if kind == "noise":
        return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).round().astype(np.uint8)
    if kind == "jpeg":
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=int(rng.integers(50, 85)))
        return np.asarray(Image.open(file))
    kept = min(side - 1, round(side * rng.uniform(0.86, 0.96)))
    top, left = (int(n) for n in rng.integers(0, side - kept + 1, 2))
    cropped = Image.fromarray(picture).crop((left, top, left + kept, top + kept))
    return np.asarray(cropped.resize((side, side), Image.Resampling.BILINEAR))


def planted(pictures: np.ndarray, share: float, seed: int = 2) -> tuple[np.ndarray, dict[tuple[int, int], str]]:
    """(examples, channels, h, w) with near duplicates at the end, and the kind of each pair (original, copy)."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(pictures), round(share * len(pictures)), replace=False)
    kinds = [KINDS[number % 3] for number in range(len(chosen))]
    copies = [near(pictures[of], kind, rng) for of, kind in zip(chosen, kinds, strict=True)]
    every = np.concatenate([pictures, copies]) if copies else pictures
    every = every[:, None] if every.ndim == 3 else every.transpose(0, 3, 1, 2)
    return every, {(int(of), len(pictures) + n): kind for n, (of, kind) in enumerate(zip(chosen, kinds, strict=True))}
