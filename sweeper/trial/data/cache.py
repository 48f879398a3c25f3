"""What was read once, kept by content: a file named after a digest of everything that it was made from."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from hydra.utils import to_absolute_path

KEEP_DAYS = 30


def cache_folder(setting: str | None) -> Path:
    """The folder that ``data.cache`` names, by default ``sweeper`` in the user's own cache folder."""
    if setting is not None:
        return Path(to_absolute_path(setting))
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sweeper"


def digest(*parts: object) -> str:
    """One name for these values, the same in every process."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def cached(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The folder ``name``, made by ``make`` if it is not there: beside and renamed, so that it is whole.

    Others that were not used for a month are removed: only this module's own, which begin with ``cache-``.
    """
    path = folder / f"cache-{name}"
    if not path.is_dir():
        beside = folder / f".cache-{name}.{os.getpid()}"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            make(beside)
            try:
                beside.rename(path)
            except OSError:  # another process was quicker; what it made is the same
                if not path.is_dir():
                    raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        _forget_old(folder)
    os.utime(path)
    return path


def _forget_old(folder: Path) -> None:
    for entry in folder.glob("cache-*"):
        try:
            if time.time() - entry.stat().st_mtime > KEEP_DAYS * 86400:
                shutil.rmtree(entry, ignore_errors=True)
        except OSError:
            continue
