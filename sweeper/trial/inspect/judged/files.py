"""Files: whether they can be read, and what is odd about them (recipe tip 3)."""

from __future__ import annotations

import numpy as np

from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.judged.words import SHOWN, colon, judged, names_of, skip
from sweeper.trial.inspect.thumbnails import gallery
from sweeper.trial.verdict import Verdict

ODD_FILES = {
    "wrong_extension": "content of another format than the name says",
    "cmyk": "CMYK, converted to RGB",
    "16_bit": "more than 8 bits, scaled to 8",
    "animated": "animated, the first frame was taken",
    "exif_rotated": "turned by EXIF, as cameras do; other readers may not turn it",
    "transparent": "transparent, laid on white",
    "cut_short": "cut short after the last pixel",
}


def files_readable(found: Inspected) -> Verdict:
    """Every file can be read (tip 3)."""
    lost = [p for p in found.examples.problems if p.example is None and p.label is not None]
    if "bytes" not in found.examples.facts and not lost:
        return skip("files_readable", 3, "the data are not files")
    names = "; ".join(f"{p.where}: {p.issue.replace('_', ' ')} ({p.detail})" for p in lost[:SHOWN])
    return judged(
        "files_readable", 3, not lost, f"{len(lost)} unreadable files{colon(names, len(lost))}",
        expected="0", advice="repair them, or leave them out: inspect.exclude=x.txt, then data.exclude=x.txt",
        hypothesis="every file is an image that can be decoded", measured={"files": len(lost)},
    )  # fmt: skip


def files_usual(found: Inspected) -> Verdict:
    """Files are of one kind, as their names say (tip 3)."""
    if "bytes" not in found.examples.facts:
        return skip("files_usual", 3, "the data are not files")
    parts = [
        f"{int(found.issues[name].sum())} {words} ({names_of(found, [found.issues[name]])})"
        for name, words in ODD_FILES.items()
        if name in found.issues
    ]
    formats, counts = np.unique(found.examples.facts["format"], return_counts=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in zip(formats, counts, strict=True))
    return judged(
        "files_usual", 3, not parts, "; ".join([kinds, *parts]), expected="8-bit stills that are what their names say",
        advice="convert them to one format, so that every program sees the same picture",
        hypothesis="other programs read the files as this one does",
    )  # fmt: skip


def sizes_alike(found: Inspected) -> Verdict:
    """Pictures have about one size and shape (tip 3)."""
    if "width" not in found.examples.facts or len(found.examples) == 0:
        return skip("sizes_alike", 3, "the data are not image files")
    width, height = found.examples.facts["width"], found.examples.facts["height"]
    shapes, counts = np.unique(np.stack([width, height], 1), axis=0, return_counts=True)
    usual = shapes[counts.argmax()]
    area, aspect = np.sqrt(width * height), width / np.maximum(height, 1)
    odd = (area < 0.5 * np.median(area)) | (area > 2 * np.median(area))
    odd |= np.abs(np.log(aspect / np.median(aspect))) > np.log(1.5)
    return judged(
        "sizes_alike", 3, not odd.any(), f"{len(shapes)} sizes, most {usual[0]}x{usual[1]} ({counts.max()}); "
        f"{odd.sum()} are half or double as large, or of another shape{colon(names_of(found, [odd]), int(odd.sum()))}",
        expected="0", advice="they are scaled and their centre taken: look whether what matters is still there",
        hypothesis="one scale fits all pictures", measured={"odd": float(odd.sum())},
        pictures=gallery(found.examples, np.flatnonzero(odd)[: 2 * SHOWN], None, "pictures of unusual size"),
    )  # fmt: skip


def no_blanks(found: Inspected) -> Verdict:
    """No picture is of one colour (tip 3)."""
    if not found.images:
        return skip("no_blanks", 3, "the data are not images")
    mask = found.issues.get("blank", np.zeros(len(found.examples), bool))
    return judged(
        "no_blanks", 3, not mask.any(), f"{mask.sum()} blank pictures{colon(names_of(found, [mask]), int(mask.sum()))}",
        expected="0", advice="leave them out: inspect.exclude=exclude.txt, then data.exclude=exclude.txt",
        hypothesis="every picture shows something", measured={"examples": float(mask.sum())},
    )  # fmt: skip
