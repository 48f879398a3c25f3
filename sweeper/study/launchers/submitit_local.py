"""hydra-submitit-launcher's keys for its local launcher, as settings of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.errors import ConfigError, nearest
from sweeper.study.launchers import Job
from sweeper.study.launchers.local_settings import LocalSettings, read_local_settings

_SAME = {"timeout_min": "timeout_min", "mem_gb": "mem_gb", "cpus_per_task": "threads"}
_ONE = ("nodes", "tasks_per_node")  # 1 is what a local trial has
_NOWHERE = ("submitit_folder", "name", "stderr_to_stdout")  # what a trial prints is in its own folder


class SubmititSettings(LocalSettings):
    """Trials that find ``submitit.JobEnvironment()``, as the peer's example has it."""

    def told(self, job: Job) -> dict[str, str]:
        """What that class reads: a job of one task on one node, whose number is the trial's."""
        of_job = {"JOB_ID": job.number, "JOB_NUM_NODES": 1, "NTASKS": 1, "NODEID": 0, "GLOBALID": 0, "LOCALID": 0}
        told = {f"SUBMITIT_LOCAL_{name}": str(value) for name, value in of_job.items()}
        return {"SUBMITIT_EXECUTOR": "local", "SUBMITIT_FOLDER": str(job.folder), **told}


def read_submitit_local(keys: Mapping[str, Any], job_name: str | None = None) -> LocalSettings:
    """The keys translated; ConfigError for one that is unknown, or would have no effect here.

    The peer's own defaults, written out as many configs do, ask for nothing: they are dropped.
    """
    ours: dict[str, Any] = {}
    for key, value in keys.items():
        if (key == "name" and value == job_name) or (key == "submitit_folder" and str(value).endswith("/.submitit/%j")):
            continue
        if key in _SAME:
            ours[_SAME[key]] = value
        elif key in _ONE:
            if value not in (None, 1):
                raise ConfigError(
                    f"hydra.launcher.{key} must be 1 on this machine, got {value!r}; use hydra/launcher=slurm"
                )
        elif key == "gpus_per_node":
            ours["gpus_per_trial"] = value or 1
        elif key in _NOWHERE:
            if value not in (None, False):
                raise ConfigError(
                    f"hydra.launcher.{key} has no effect on this machine, got {value!r}; remove it: what a trial "
                    "prints is in its own folder"
                )
        elif key in LocalSettings.__dataclass_fields__:
            ours[key] = value
        else:
            known = (*_SAME, *_ONE, "gpus_per_node", *LocalSettings.__dataclass_fields__)
            raise ConfigError(f"hydra.launcher.{key} must be a key of submitit_local{nearest(key, known)}; remove it")
    return read_local_settings(ours, SubmititSettings)
