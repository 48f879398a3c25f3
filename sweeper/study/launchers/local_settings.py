"""Keys of ``hydra.launcher`` for the local launcher, checked."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sweeper.errors import ConfigError, nearest
from sweeper.study.launchers import Job
from sweeper.study.values import positive, whole


@dataclass(frozen=True)
class LocalSettings:
    """Keys of ``hydra.launcher`` for the local launcher; None means: found from the machine."""

    slots: int | None = None
    threads: int | None = None
    gpus: int | None = None
    gpus_per_trial: int = 1
    trials_per_gpu: int = 1
    trials_per_process: int = 1
    timeout_min: float | None = None
    mem_gb: float | None = None
    preload: tuple[str, ...] = ()
    start_method: str | None = None

    def __post_init__(self) -> None:
        for key in ("slots", "threads", "gpus", "gpus_per_trial", "trials_per_gpu", "trials_per_process"):
            if (value := getattr(self, key)) is not None:
                number = whole(f"hydra.launcher.{key}", value, at_least=0 if key == "gpus" else 1)
                object.__setattr__(self, key, number)
        for key in ("timeout_min", "mem_gb"):
            if (value := getattr(self, key)) is not None:
                object.__setattr__(self, key, positive(f"hydra.launcher.{key}", value))
        if self.start_method not in (None, "fork", "spawn"):
            raise ConfigError(
                f"hydra.launcher.start_method must be fork, spawn or null, got {self.start_method!r}; "
                "try hydra.launcher.start_method=null"
            )

    def told(self, job: Job) -> dict[str, str]:
        """Environment variables by which a trial knows who it is."""
        return {}


def read_local_settings(keys: Mapping[str, Any], kind: type[LocalSettings] = LocalSettings) -> LocalSettings:
    """The launcher's keys, checked; ConfigError for one that does not exist."""
    known = [f.name for f in fields(LocalSettings)]
    for key in keys:
        if key not in known:
            raise ConfigError(
                f"hydra.launcher.{key} must be a key of the local launcher{nearest(key, known)}; "
                f"it has {', '.join(known)}"
            )
    preload = keys.get("preload") or ()
    if not isinstance(preload, (str, Sequence)):
        raise ConfigError(f"hydra.launcher.preload must be a list of modules, got {preload!r}; try preload=[torch]")
    names = (preload,) if isinstance(preload, str) else tuple(str(p) for p in preload)
    for name in names:
        root = name.partition(":")[0].partition(".")[0]
        if not root or importlib.util.find_spec(root) is None:
            raise ConfigError(f"hydra.launcher.preload must name modules that can be imported, got {name!r}; remove it")
    return kind(**{**keys, "preload": names})
