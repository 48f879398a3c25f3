"""What a trial's record starts with: its number, overrides, whole config and job."""

from __future__ import annotations

import os
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from sweeper.configs import value_in
from sweeper.masked import masked_in
from sweeper.space_node import is_space


def start_fields(cfg: DictConfig) -> dict[str, Any]:
    """The start event of a job of Hydra with ``cfg``."""
    hydra_cfg = HydraConfig.get()
    number = None if OmegaConf.is_missing(hydra_cfg.job, "num") else hydra_cfg.job.num
    return {
        "number": number,
        "job": hydra_cfg.job.name,
        "overrides": masked_in(OmegaConf.to_container(hydra_cfg.overrides.task)),
        "config": masked_in(flatten(cfg)),
        "slurm_job_id": _slurm_job(),
    }


def _slurm_job() -> str | None:
    """The job as ``squeue`` shows it: ``141_3`` in an array, whose SLURM_JOB_ID is another number."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def flatten(cfg: Any, prefix: str = "") -> dict[str, Any]:
    """A config as ``{'optimizer.lr': 3e-4, …}`` without its spaces, resolved where it can be; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, node in value_in(cfg).items():
        name = f"{prefix}{key}"
        value = value_in(node)
        if isinstance(value, str) and (value == "???" or "${" in value):
            if OmegaConf.is_missing(cfg, key):
                flat[name] = "???"
                continue
            try:
                value = node = cfg[key]
            except Exception:  # an interpolation that only resolves elsewhere: recorded as written
                flat[name] = value
                continue
        if key == "space" and is_space(node):
            continue
        if isinstance(node, DictConfig) and value is not None:
            flat.update(flatten(node, f"{name}."))
        elif isinstance(node, ListConfig) and value is not None:
            flat[name] = str(OmegaConf.to_container(node, resolve=False))
        else:
            flat[name] = value if isinstance(value, (int, float, bool, type(None))) else str(value)
    return flat
