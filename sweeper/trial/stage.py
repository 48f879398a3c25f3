"""Stages by name: ``stage=<name>`` picks a function of the config, given by its file in ``conf/stage``.

A new stage is two files: a function ``f(cfg, *, …)`` of the config and its own settings, and the YAML file
whose ``_target_`` names it.
"""

from __future__ import annotations

import io

from omegaconf import DictConfig
from omegaconf.errors import InterpolationResolutionError

from sweeper.errors import ConfigError
from sweeper.space_node import drop_spaces, without_space
from sweeper.trial.build import target
from sweeper.trial.data import load


def run(cfg: DictConfig) -> float:
    """Run the stage that ``cfg.stage`` names and return its objective; the config loses its spaces."""
    drop_spaces(cfg)
    try:
        value: float = target(cfg.stage, "stage")(cfg)
    except InterpolationResolutionError as error:
        said = str(error).splitlines()[0]
        raise ConfigError(f"{error.full_key} must lead to a value, got: {said}; correct the name, or give it") from None
    return value


def build(cfg: DictConfig) -> None:
    """Build on the CPU what a trial of this config would train; whatever is wrong with it is raised."""
    from sweeper.trial import setup

    cfg = without_space(cfg)
    target(cfg.stage, "stage")
    setup.build(cfg, setup.pick_device("cpu"))


def preload(cfg: DictConfig) -> None:
    """Do once what trials of this config would each do, import and read data; a parent calls it to fork."""
    import torch
    from safetensors.torch import save

    cfg = without_space(cfg)
    torch.save({}, io.BytesIO())  # the first call of either imports more
    save({"": torch.zeros(1)})
    for part in ("stage", "model", "optimizer"):
        if part in cfg:
            target(cfg[part], part)
    load(cfg.data)
