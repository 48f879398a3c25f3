"""One image file: its pixels at a given size, what the file is like, and what is wrong with it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from sweeper.errors import words
from sweeper.trial.data.examples import Array

MAX_PIXELS = 64_000_000  # 8000x8000, 200 MB as RGB: above, a file is taken for a decompression bomb
DEEP = ("I;16", "I;16B", "I;16L", "I", "F")  # modes with more than eight bits a channel
Image.MAX_IMAGE_PIXELS = None  # ours is checked before anything is decoded, and says so without a warning


@dataclass
class ImageFile:
    """``pixels`` (channels, size, size) uint8, None if unreadable for the reason in ``unreadable``.

    ``unreadable`` is (issue, detail); ``oddities`` are issues of a file that could be read all the same.
    """

    digest: bytes
    bytes: int
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    pixels: Array | None = None
    unreadable: tuple[str, str] | None = None
    oddities: list[str] = field(default_factory=list)


def read_image(path: Path, *, size: int, channels: int) -> ImageFile:
    """Read one file; never raises for what a file holds.

    The picture is turned as EXIF says, scaled so that its shorter side is ``size``, and its centre is taken.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        return ImageFile(b"", 0, unreadable=("unreadable", error.strerror or str(error)))
    found = ImageFile(hashlib.blake2b(data, digest_size=16).digest(), len(data))
    if not data:
        found.unreadable = ("empty_file", "zero bytes")
        return found
    try:
        with Image.open(io.BytesIO(data)) as image:
            _describe(found, image, path)
            if image.width * image.height > MAX_PIXELS:
                found.unreadable = (
                    "decompression_bomb",
                    f"{image.width}x{image.height} pixels in {len(data)} bytes, more than {MAX_PIXELS:.0e}",
                )
                return found
            if image.format == "JPEG" and min(image.size) >= 4 * size:
                image.draft(None, (2 * size, 2 * size))  # decodes at a fraction of the size
            image.load()
            found.pixels = _pixels(found, image, size, channels)
            if image.format == "PNG" and b"IEND" not in data[-64:]:
                found.oddities.append("cut_short")
    except UnidentifiedImageError:
        found.unreadable = ("not_an_image", "no image format that Pillow knows")
    except MemoryError:
        found.unreadable = ("decompression_bomb", "out of memory while decoding")
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        reason = words(error)[:120] or type(error).__name__
        found.unreadable = ("truncated" if "truncat" in reason.lower() else "unreadable", reason)
    return found


def _describe(found: ImageFile, image: Image.Image, path: Path) -> None:
    found.width, found.height = image.size
    found.format, found.mode = image.format or "", image.mode
    expected = Image.registered_extensions().get(path.suffix.lower())
    if expected != image.format and {expected, image.format} != {"JPEG", "MPO"}:
        found.oddities.append("wrong_extension")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        found.oddities.append("animated")
    if image.mode == "CMYK":
        found.oddities.append("cmyk")
    if image.mode in DEEP:
        found.oddities.append("16_bit")
    if image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        found.oddities.append("exif_rotated")


def _pixels(found: ImageFile, image: Image.Image, size: int, channels: int) -> Array:
    image = ImageOps.exif_transpose(image)
    if image.mode in DEEP:
        values = np.nan_to_num(np.asarray(image, np.float64))
        top = 65535.0 if values.max() > 255 else 255.0
        image = Image.fromarray((np.clip(values / top, 0, 1) * 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min() < 255:
            found.oddities.append("transparent")
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
