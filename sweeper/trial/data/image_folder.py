"""``data=image_folder``: a folder a class, read by content, decoded once."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from hydra.utils import to_absolute_path

from sweeper.errors import ConfigError
from sweeper.trial.data.cache import cache_folder, cached, digest
from sweeper.trial.data.examples import SPLITS, Array, Examples, Problem
from sweeper.trial.data.image_file import ImageFile, read_image
from sweeper.trial.data.progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")

SPLIT_FOLDERS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "testing": 2}
NOT_IMAGES = {".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".db", ".ini", ".py"}
CHUNK = 256  # files under way at once: bounds memory
VERSION = 1  # of what a cached reading holds; raise it when image_file reads differently


@dataclass(frozen=True)
class File:
    """A file below the root: its path from there, its class and the split that its folder names, if any."""

    name: str
    label: str
    split: int | None


def image_folder(*, root: str, size: int, channels: int, cache: str | None, split_group: str | None = None) -> Examples:
    """Images (channels, size, size) uint8; the class is the folder's name below ``root``.

    Folders ``train``, ``val``, ``test`` directly below ``root`` are splits, with the classes below them.
    ``split_group``: a regular expression of the path; what its first bracket matches names the group.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels}; try 3")
    if not size >= 1:
        raise ValueError(f"size must be >= 1 pixel, got {size}; try 64")
    folder = Path(to_absolute_path(root))
    if not folder.is_dir():
        raise ConfigError(f"data.root must be a folder, got {root}; it has a folder a class, with images in each")
    files = sorted(find_files(folder), key=lambda file: file.name)
    if not files:
        raise ConfigError(f"data.root must hold images in a folder a class, got none in {root}; check the path")
    if empty := sorted(_class_folders(folder, files[0].split is not None) - {file.label for file in files}):
        raise ConfigError(
            f"data.root must have images in each class's folder, got none in {empty[0]} of {root}; remove it"
        )
    if wrong := [file.name for file in files if not _is_text(file.name)]:
        raise ConfigError(
            f"data.root must hold names in UTF-8, got {os.fsencode(wrong[0])!r} in {root}; rename it: convmv -t utf-8 …"
        )
    contents = list(progress(_in_threads(lambda f: _digest(folder / f.name), files), "reading", len(files)))
    key = digest(VERSION, size, channels, [(file.name, content) for file, content in zip(files, contents, strict=True)])
    kept = cached(cache_folder(cache), key, lambda beside: _decode(folder, files, size, channels, beside))
    return _examples(folder.name, files, kept, split_group)


def _class_folders(folder: Path, below_splits: bool) -> set[str]:
    """Names of the folders that stand for classes; those of archives and file systems (__MACOSX, @eaDir) do not."""
    parents = [entry for entry in folder.iterdir() if entry.is_dir()] if below_splits else [folder]
    found = (entry for parent in parents for entry in parent.iterdir() if entry.is_dir() and not entry.is_symlink())
    return {entry.name for entry in found if not entry.name.startswith((".", "__", "@"))}


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8 came in as lone surrogates
        return False


def find_files(folder: Path) -> Iterator[File]:
    """Everything that may be an image, class by class; hidden files and known texts are passed over."""
    top = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    split_by_folder = bool(top) and {"train", "training"} & set(top) and set(top) <= set(SPLIT_FOLDERS)
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        parts = Path(where).relative_to(folder).parts
        split = SPLIT_FOLDERS[parts[0]] if split_by_folder and parts else None
        below = parts[1:] if split_by_folder else parts
        if not below:
            continue
        for name in names:
            path = Path(where, name)
            there = path.is_file() or (path.is_symlink() and not path.exists())  # a link to nothing is unreadable
            if not name.startswith(".") and path.suffix.lower() not in NOT_IMAGES and there:
                yield File("/".join((*parts, name)), below[0], split)


def _in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4) as pool:
        for start in range(0, len(items), CHUNK):
            yield from pool.map(work, items[start : start + CHUNK])


def _digest(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return b""


def _decode(folder: Path, files: Sequence[File], size: int, channels: int, into: Path) -> None:
    """Pixels and facts of all files, as files of their own; unreadable ones leave zeros."""
    shape = (len(files), channels, size, size)
    pixels = np.lib.format.open_memmap(into / "pixels.npy", "w+", np.uint8, shape)
    read: Callable[[File], ImageFile] = lambda file: read_image(folder / file.name, size=size, channels=channels)  # noqa: E731
    rows = []
    for number, found in enumerate(progress(_in_threads(read, files), "decoding", len(files))):
        if found.pixels is not None:
            pixels[number] = found.pixels
        found.pixels = None
        rows.append({**asdict(found), "digest": found.digest.hex()})
    pixels.flush()
    (into / "files.json").write_text(json.dumps(rows), encoding="utf-8")


def _examples(name: str, files: Sequence[File], kept: Path, split_group: str | None) -> Examples:
    rows = json.loads((kept / "files.json").read_text(encoding="utf-8"))
    classes = tuple(sorted({file.label for file in files}))
    readable = np.flatnonzero([row["unreadable"] is None for row in rows])
    problems = [
        Problem(
            file.name, issue=row["unreadable"][0], detail=row["unreadable"][1], split=_split(file), label=file.label
        )
        for file, row in zip(files, rows, strict=True)
        if row["unreadable"] is not None
    ]
    pixels: Array = np.load(kept / "pixels.npy", mmap_mode="r")
    if len(readable) < len(files):
        pixels = pixels[readable]
    used = [files[int(i)] for i in readable]
    number = {label: i for i, label in enumerate(classes)}
    facts = {key: np.array([rows[i][key] for i in readable]) for key in ("bytes", "width", "height", "format", "mode")}
    facts["digest"] = np.array([rows[i]["digest"] for i in readable])
    facts["oddities"] = np.array([" ".join(rows[i]["oddities"]) for i in readable], dtype=np.str_)
    return Examples(
        name,
        pixels,
        np.array([number[file.label] for file in used], np.int64),
        classes,
        names=np.array([file.name for file in used], dtype=np.str_),
        split=None if files[0].split is None else np.array([file.split for file in used], np.int64),
        groups=None if split_group is None else _groups(used, split_group),
        problems=tuple(problems),
        facts=facts,
    )


def _split(file: File) -> str | None:
    return None if file.split is None else SPLITS[file.split]


def _groups(files: Sequence[File], pattern: str) -> Array:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"data.split.group must be a regular expression, got {pattern}: {error}") from error
    if expression.groups < 1:
        raise ConfigError(f"data.split.group must have a bracket that names the group, got {pattern}; as '(p\\d+)_'")
    names = []
    for file in files:
        match = expression.search(file.name)
        if match is None:
            raise ConfigError(f"data.split.group must match every path, got {pattern} and {file.name}; widen it")
        names.append(match[1])
    return np.unique(names, return_inverse=True)[1]
