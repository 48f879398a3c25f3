"""The names of a sweep's folder and of its trials' folders, as ``hydra.sweep`` has them: inside, and one each."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.configs import spoken_of, value_in
from sweeper.errors import ConfigError
from sweeper.study.compose import Composer, job_config, resolved_in
from sweeper.study.launchers import Resolved
from sweeper.study.study_folder import too_long

NAME_MAX = 255  # bytes, of Linux's and macOS's file systems

_OF_NUMBER_ALONE = re.compile(
    r"(?:[A-Za-z0-9_-]|\$\{sweeper\.pad:\$\{hydra\.job\.num\}\}|\$\{hydra\.job\.(?:num|id)\})+"
)


def trial_dir(composer: Composer, overrides: Sequence[str], number: int, sweep_dir: str) -> tuple[str, Resolved]:
    """The folder name of a trial below the sweep folder, as ``hydra.sweep.subdir`` says; and what it resolved for that.

    ConfigError if it would lie elsewhere, as a value with ``../`` in an ``override_dirname`` makes it.
    """
    shape = composer.shape(overrides)
    if shape in composer.numbered and not any(text.lstrip("+~").startswith("hydra") for text in overrides):
        name = of_number(composer.numbered[shape], number)
        assert name is not None
        return name, resolved_in(composer.master)
    cfg = job_config(composer, overrides, number, sweep_dir)
    name = _resolved(cfg, "hydra.sweep.subdir", "'${hydra.job.num}'")
    normal = os.path.normpath(name)
    if os.path.isabs(name) or normal in (".", "..") or normal.startswith("../") or "\0" in name:
        raise ConfigError(
            f"hydra.sweep.subdir must lie inside hydra.sweep.dir, got {name!r}; try hydra.sweep.subdir="
            "'${hydra.job.num}', or name keys whose values hold a / in hydra.job.config.override_dirname.exclude_keys"
        )
    if any(len(os.fsencode(part)) > NAME_MAX for part in normal.split("/")):
        raise too_long(name)
    written = str(value_in(cfg.hydra.sweep._get_node("subdir")))
    if of_number(written, number) == normal:
        composer.numbered[shape] = written
    return normal, resolved_in(cfg)


def of_number(written: str, number: int) -> str | None:
    """What a written name resolves to if it follows from the trial's number alone, in a hundredth of the time."""
    if not _OF_NUMBER_ALONE.fullmatch(written):
        return None
    padded = written.replace("${sweeper.pad:${hydra.job.num}}", f"{number:04d}")
    return padded.replace("${hydra.job.num}", str(number)).replace("${hydra.job.id}", str(number))


def check_subdir(config: DictConfig) -> None:
    """ConfigError if every trial would get the same folder."""
    written = str(OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"])  # type: ignore[index, call-overload]
    if "${" not in written:
        raise ConfigError(
            f"hydra.sweep.subdir must give each trial a folder of its own, got {written!r} for all; "
            "try hydra.sweep.subdir='${hydra.job.num}'"
        )


def sweep_dir(config: DictConfig) -> str:
    """``hydra.sweep.dir`` as it resolves; ConfigError where it does not."""
    return _resolved(config, "hydra.sweep.dir", "multirun/first")


def _resolved(config: DictConfig, key: str, repair: str) -> str:
    try:
        with spoken_of(config):
            return str(OmegaConf.select(config, key, throw_on_missing=True))
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{key} must resolve to a name, got: {reason}; try {key}={repair}") from error
