"""`python -m bench.inspect_images [--write]`: stage=check on the default, stage=inspect on digits and 100,000 images.

The images are generated and have planted duplicates, which the run must find; time and peak memory are measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- written by `python -m bench.inspect_images --write` -->", "<!-- end of inspect -->"
CLASSES, SIZE = 10, 64
INSPECT = "stage=inspect"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.inspect_images", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keeps the images for another run; default: a temporary one")
    parser.add_argument("--write", action="store_true", help=f"write the figures to {DOCS.relative_to(ROOT)}")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="inspect-images-"))
    try:
        planted = generate(folder / "images", args.images)
        rows = [row("check: the default (digits, MLP, Adam)", *run(folder, "stage=check"), required_s=30)]
        rows.append(row("inspect: digits, 1,797 images of 8x8", *run(folder, INSPECT, "data=digits"), required_s=15))
        many = ("data=image_folder", f"data.root={folder / 'images'}", f"data.cache={folder / 'cache'}")
        shutil.rmtree(folder / "cache", ignore_errors=True)
        images = f"inspect: {args.images:,} images of {SIZE}x{SIZE}"
        rows.append(row(images, *run(folder, INSPECT, *many), required_s=600))
        rows.append(row("the same again, kept by content", *run(folder, INSPECT, *many), required_s=600))
        found = duplicates(folder / "out" / "examples.parquet", planted)
    finally:
        if args.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    head = ["| whole command | wall | CPU | peak memory | required |", "|---|---|---|---|---|"]
    said = f"{found[0]:.1%} of {len(planted)} planted near duplicates were found; {found[1]:.1%} of those found are."
    text = "\n".join([f"{machine()}\n", *head, *rows, "", said, ""])
    print(text)
    if args.write:
        before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def generate(folder: Path, count: int) -> set[tuple[str, str]]:
    """Pictures of a few shapes, a folder a class; one in a hundred is another one cropped, recompressed or noisy."""
    originals = count - count // 100
    if not folder.exists():
        with ProcessPoolExecutor() as pool:
            list(
                pool.map(
                    _draw_many,
                    *zip(*((folder, a, min(a + 500, originals)) for a in range(0, originals, 500)), strict=True),
                )
            )
        for number in range(originals, count):
            _near(folder, number, number - originals)
    return {(_name(number - originals), _name(number)) for number in range(originals, count)}


def _name(number: int) -> str:
    return f"class{number % CLASSES}/{number:06d}.png"


def _draw_many(folder: Path, first: int, end: int) -> None:
    for number in range(first, end):
        path = folder / _name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_draw(number)).save(path)


def _draw(number: int) -> np.ndarray:
    """Three blobs of any colour over a slope of two colours, with grain; the class sets the slope's direction."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
    angle = 2 * np.pi * (number % CLASSES) / CLASSES
    slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) + 0.5
    low, high = rng.uniform(0, 255, (2, 3))
    picture = low + (high - low) * slope[..., None]
    for _ in range(3):
        (cx, cy), radius, colour = rng.uniform(0.1, 0.9, 2), rng.uniform(0.08, 0.25), rng.uniform(0, 255, 3)
        inside = np.clip((radius - np.hypot(x - cx, y - cy)) * 30, 0, 1)[..., None]
        picture = picture * (1 - inside) + colour * inside
    return np.clip(picture + rng.normal(0, 5, picture.shape), 0, 255).astype(np.uint8)


def _near(folder: Path, number: int, of: int) -> None:
    rng = np.random.default_rng(number)
    with Image.open(folder / _name(of)) as image:
        image = image.convert("RGB")
    path = folder / _name(number)
    if number % 3 == 0:
        image.save(path, "JPEG", quality=60)  # a JPEG named .png
        return
    if number % 3 == 1:
        side = int(SIZE * rng.uniform(0.85, 0.95))
        left, top = rng.integers(0, SIZE - side + 1, 2)
        image = image.crop((left, top, left + side, top + side)).resize((SIZE, SIZE))
    else:
        noisy = np.asarray(image, float) + rng.normal(0, 4, (SIZE, SIZE, 3))
        image = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    image.save(path)


def run(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in GiB of one command."""
    command = [sys.executable, str(ROOT / "train.py"), "tracking=null", *arguments]
    began = time.monotonic()
    process = subprocess.Popen([*command, f"hydra.run.dir={folder / 'out'}"], stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed\n{out}")
    print(out)
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def row(what: str, wall_s: float, cpu_s: float, memory_gib: float, *, required_s: float) -> str:
    holds = "✓" if wall_s <= required_s else "✗"
    return f"| {what} | {wall_s:.0f} s | {cpu_s:.0f} s | {memory_gib:.1f} GiB | ≤ {required_s:.0f} s {holds} |"


def duplicates(table: Path, planted: set[tuple[str, str]]) -> tuple[float, float]:
    """Recall and precision of the planted pairs among the groups of near duplicates."""
    import pandas as pd

    frame = pd.read_parquet(table, columns=["name", "duplicate_group"])
    group = dict(zip(frame["name"], frame["duplicate_group"], strict=True))
    recall = float(np.mean([group[a] >= 0 and group[a] == group[b] for a, b in planted]))
    inside = {name for pair in planted for name in pair}
    found = frame.loc[frame["duplicate_group"] >= 0, "name"]
    return recall, float(found.isin(inside).mean()) if len(found) else 1.0


def machine() -> str:
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores, load {load:.1f} at the end, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
