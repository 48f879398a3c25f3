"""The checkpoint: written beside and renamed, refused for another config, set aside when torn or corrupted."""

from __future__ import annotations

import logging
import os
import pickle
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sweeper.errors import ConfigError
from sweeper.folder import checkpoint_path

log = logging.getLogger(__name__)

TORN = (RuntimeError, ValueError, TypeError, LookupError, EOFError, pickle.UnpicklingError)


class Checkpoint:
    """The checkpoint of an attempt at a trial, written at most every ``every_s`` seconds.

    Each attempt writes a file of its own, so that one whose node was thought lost can't touch its successor's.
    ``config`` (flat) says what the weights are of: a run with other values can't go on from them.
    """

    def __init__(self, folder: Path, *, every_s: float, config: Mapping[str, Any], attempt: int = 0) -> None:
        self.path = checkpoint_path(folder, attempt)
        self.found = self.path  # where what was loaded lies
        self._earlier = [checkpoint_path(folder, n) for n in reversed(range(attempt))]
        self.every_s = every_s
        self.config = dict(config)
        self._written = time.monotonic()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The last state that this attempt or an earlier one saved, None if nothing usable is there.

        ConfigError if it is of another config.
        """
        for path in (self.path, *self._earlier):
            if path.exists() and (state := self._read(path, device)) is not None:
                self.found = path
                return state
        return None

    def _read(self, path: Path, device: torch.device) -> dict[str, Any] | None:
        try:
            _require_whole(path)
            held = torch.load(path, map_location=device, weights_only=True)
            state, config = dict(held["state"]), dict(held["config"])
        except torch.OutOfMemoryError:
            raise
        except TORN as error:
            aside = _set_aside(path)
            reason = (str(error) or type(error).__name__).splitlines()[0]
            log.warning("%s is torn (%s): moved to %s, training goes on without it", path, reason, aside.name)
            return None
        for key in sorted({*config, *self.config}):
            then, now = config.get(key, "nothing"), self.config.get(key, "nothing")
            if then != now:
                raise ConfigError(f"{key} must be {then} as in {path}, got {now}; use another folder or move it")
        return state

    @property
    def due(self) -> bool:
        """Whether ``every_s`` seconds have passed since the last time that it was saved."""
        return time.monotonic() - self._written >= self.every_s

    def save(self, state: Mapping[str, Any]) -> None:
        """Write ``state``, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with open(beside, "wb") as file:  # torch's own writer hides that the disk is full
                torch.save({"config": self.config, "state": dict(state)}, file)
            os.replace(beside, self.path)
            while self._earlier:
                earlier = self._earlier.pop()
                for path in (earlier, *earlier.parent.glob(f".{earlier.name}.*")):  # beside: killed while it wrote
                    path.unlink(missing_ok=True)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        self._written = time.monotonic()


def _require_whole(path: Path) -> None:
    """ValueError unless all is as it was written; torch itself reads past the checksums that it writes."""
    try:
        with zipfile.ZipFile(path) as file:
            broken = file.testzip() or next((i.filename for i in file.infolist() if i.external_attr), None)
    except PermissionError:
        raise
    except Exception as error:  # random bytes raise nearly any
        raise ValueError(str(error)) from error
    if broken:
        raise ValueError(f"{broken} is corrupted")


def _set_aside(path: Path) -> Path:
    number = 0
    while (aside := path.with_name(f"{path.name}.torn.{number}")).exists():
        number += 1
    return path.rename(aside)
