"""The keys of ``hydra.launcher`` for SLURM, checked, and the sbatch script that they make."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sweeper.errors import ConfigError, nearest, require
from sweeper.study.values import flag, positive, whole

_COUNTS = (
    "timeout_min", "cpus_per_task", "cpus_per_gpu", "gpus_per_node", "gpus_per_task", "tasks_per_node", "nodes",
    "array_parallelism", "signal_delay_s", "trials_per_job", "trials_at_once",
)  # fmt: skip
_TEXTS = (
    "submitit_folder", "name", "partition", "qos", "account", "comment", "constraint", "exclude", "gres",
    "mem_per_cpu", "mem_per_gpu", "python",
)  # fmt: skip
_LAUNCHERS = {  # what sbatch takes and the launcher says itself
    "array": "it makes the arrays itself, see hydra.sweeper.n_jobs",
    "output": "logs are in hydra.launcher.submitit_folder",
    "error": "logs are in hydra.launcher.submitit_folder",
    "wait": "a sweep waits unless hydra.sweeper.detach=true",
    "wrap": "setup has lines for the shell",
    "clusters": "export SLURM_CLUSTERS instead, which squeue and scancel heed too",
}
_FLAGS = ("stderr_to_stdout", "use_srun", "snapshot")
_OURS = (
    "trials_per_job",
    "trials_at_once",
    "preload",
    "build",
    "snapshot",
    "submitit_folder",
    "max_num_timeout",
    "python",
)


@dataclass(frozen=True)
class SlurmSettings:
    """hydra-submitit-launcher's keys with their meaning, then ours; ``slurm_defaults.yaml`` says what each is."""

    submitit_folder: str
    name: str
    timeout_min: int
    partition: str | None
    qos: str | None
    account: str | None
    comment: str | None
    constraint: str | None
    exclude: str | None
    gres: str | None
    nodes: int
    tasks_per_node: int | None
    cpus_per_task: int | None
    cpus_per_gpu: int | None
    gpus_per_node: int | None
    gpus_per_task: int | None
    mem_gb: float | None
    mem_per_cpu: str | None
    mem_per_gpu: str | None
    array_parallelism: int
    stderr_to_stdout: bool
    setup: tuple[str, ...] | None
    use_srun: bool
    srun_args: tuple[str, ...] | None
    python: str | None
    signal_delay_s: int
    max_num_timeout: int
    additional_parameters: dict[str, Any]
    trials_per_job: int
    trials_at_once: int
    preload: tuple[str, ...]
    build: tuple[str, ...]
    snapshot: bool

    def __post_init__(self) -> None:
        for key in _COUNTS:
            if (value := getattr(self, key)) is not None:
                object.__setattr__(self, key, whole(f"hydra.launcher.{key}", value, at_least=1))
        for key in _FLAGS:
            object.__setattr__(self, key, flag(f"hydra.launcher.{key}", getattr(self, key)))
        often = whole("hydra.launcher.max_num_timeout", self.max_num_timeout, at_least=0)
        object.__setattr__(self, "max_num_timeout", often)
        if self.mem_gb is not None:
            object.__setattr__(self, "mem_gb", positive("hydra.launcher.mem_gb", self.mem_gb))
        for key in _TEXTS:
            value = getattr(self, key)
            if not isinstance(value, str | None):
                raise ConfigError(f"hydra.launcher.{key} must be a text or null, got {value!r}; try {key}=null")
        for key, instead in _LAUNCHERS.items():
            if (value := self.additional_parameters.get(key)) is not None:
                raise ConfigError(
                    f"hydra.launcher.additional_parameters.{key} must be left to the launcher, got {value!r}; {instead}"
                )
        if self.trials_at_once > self.trials_per_job:
            raise ConfigError(
                f"hydra.launcher.trials_at_once must be <= trials_per_job={self.trials_per_job}, got "
                f"{self.trials_at_once}; raise hydra.launcher.trials_per_job"
            )
        if self.cpus_per_gpu is not None and not self.asks_for_gpus:
            raise ConfigError(
                f"hydra.launcher.cpus_per_gpu has no effect without gpus_per_node, gpus_per_task or gres, got "
                f"{self.cpus_per_gpu}; use hydra.launcher.cpus_per_task"
            )
        if not self.use_srun and self.nodes * self.tasks > 1:
            raise ConfigError(
                "hydra.launcher.use_srun must be true where a trial is several processes (nodes x tasks_per_node = "
                f"{self.nodes * self.tasks}), which srun starts, got false; try hydra.launcher.tasks_per_node=1"
            )
        if not self.use_srun and self.srun_args:
            raise ConfigError(
                f"hydra.launcher.srun_args has no effect with use_srun=false, got {list(self.srun_args)}; "
                "drop one of the two"
            )
        if self.trials_at_once > 1 and self.nodes * self.tasks > 1:
            raise ConfigError(
                "hydra.launcher.trials_at_once must be 1 where a trial is several processes (nodes x tasks_per_node = "
                f"{self.nodes * self.tasks}), got {self.trials_at_once}; try hydra.launcher.trials_at_once=1"
            )
        if self.max_num_timeout and self.signal_delay_s >= self.timeout_min * 60:
            raise ConfigError(
                f"hydra.launcher.signal_delay_s must be < timeout_min x 60 = {self.timeout_min * 60} with "
                f"max_num_timeout, got {self.signal_delay_s}; try hydra.launcher.signal_delay_s=30"
            )

    @property
    def tasks(self) -> int:
        """Processes of a trial on each node."""
        if self.tasks_per_node is not None:
            return self.tasks_per_node
        return self.gpus_per_node or 1 if self.trials_at_once == 1 else 1

    @property
    def asks_for_gpus(self) -> bool:
        """Whether some are the job's: a node that is all its own counts."""
        asked = {"gres": self.gres, **self.additional_parameters}
        words = [f"{k}={v}" for k, v in asked.items() if v]
        more = any(re.match(r"gpus|exclusive|[gt]res.*gpu", word) for word in words)
        return bool(self.gpus_per_node or self.gpus_per_task or more)


def read_slurm_settings(keys: Mapping[str, Any]) -> SlurmSettings:
    """The launcher's keys as Hydra gives them; ConfigError for one that does not exist."""
    from omegaconf import OmegaConf

    require("hydra/launcher=slurm", "submitit")
    known = [f.name for f in fields(SlurmSettings)]
    raw: dict[str, Any] = {
        k: OmegaConf.to_container(v, resolve=True) if OmegaConf.is_config(v) else v for k, v in keys.items()
    }
    if "wait_for_completion" in raw:
        raise ConfigError(
            f"hydra.launcher.wait_for_completion must be left out, got {raw['wait_for_completion']!r}; "
            "a sweep that does not wait for its jobs is hydra.sweeper.detach=true"
        )
    for key in raw:
        if key not in known:
            raise ConfigError(
                f"hydra.launcher.{key} must be a key of the slurm launcher{nearest(key, known)}; "
                "anything else that sbatch takes goes into hydra.launcher.additional_parameters"
            )
    for key in ("setup", "srun_args"):
        raw[key] = None if raw[key] is None else _words(key, raw[key])
    for key in ("preload", "build"):
        raw[key] = _words(key, raw[key] or ())
    for key in _TEXTS:  # an account or a feature may be a number
        raw[key] = str(raw[key]) if type(raw[key]) in (int, float) else raw[key]
    more = raw["additional_parameters"] or {}
    if not isinstance(more, dict):
        raise ConfigError(
            "hydra.launcher.additional_parameters must map options of sbatch to their values, got "
            f"{more!r}; try +hydra.launcher.additional_parameters.mail-type=END"
        )
    raw["additional_parameters"] = more
    return SlurmSettings(**raw)


def _words(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"hydra.launcher.{key} must be a list of texts, got {value!r}")
    return tuple(str(v) for v in value)


def log_folder(submitit_folder: str) -> Path:
    """Where scripts and logs lie: ``submitit_folder`` up to its first part with a ``%`` (SLURM makes no folders)."""
    path = Path(submitit_folder).absolute()
    for parent in reversed([path, *path.parents]):
        if "%" in parent.name:
            return parent.parent
    return path


def log_path(folder: Path, job_id: str, *, error: bool = True) -> Path:
    """The log of a job ``141_3``: submitit's name for it."""
    return folder / f"{job_id}_0_log.{'err' if error else 'out'}"


def _flags(additional: Mapping[str, Any]) -> dict[str, Any]:
    """sbatch's further options: requeued where nobody says otherwise, and ``false`` leaves a flag out."""
    flags = {"requeue": "no-requeue" not in additional, **additional}
    if flags["requeue"] is False:
        flags["no-requeue"] = True
    return {name: value for name, value in flags.items() if value is not False}


def sbatch_script(settings: SlurmSettings, folder: Path, command: str, count: int, *, at_once: int) -> str:
    """The script of an array of ``count`` jobs, as submitit writes it."""
    import submitit

    if shutil.which("sbatch") is None or (settings.use_srun and shutil.which("srun") is None):
        raise ConfigError(
            "hydra/launcher=slurm needs sbatch and srun on the path, got PATH="
            f"{os.environ.get('PATH', '')!r}; run it on a login node, or use hydra/launcher=local"
        )

    class Executor(submitit.SlurmExecutor):
        """Writes the script around a command of ours in place of submitit's pickle."""

        def text(self) -> str:
            return str(self._make_submission_file_text(command, ""))

    executor = Executor(folder=folder, python=settings.python)
    given = {
        k: list(v) if isinstance(v, tuple) else v
        for k, v in vars(settings).items()
        if v is not None and k not in _OURS and k not in ("additional_parameters", "array_parallelism")
    }
    shared = ("name", "timeout_min", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb")
    more = _flags(settings.additional_parameters)
    if settings.use_srun:
        # where one process of a trial dies, those that wait for it must not wait out their time
        given["srun_args"] = [*given.get("srun_args", ()), "--kill-on-bad-exit=1"]
        if settings.cpus_per_task is not None:  # since SLURM 22.05 a step no longer has it from its job
            given["srun_args"].insert(0, f"--cpus-per-task={settings.cpus_per_task}")  # one that is given wins: later
    else:  # the warning of the end of time goes to steps, or to the script: which is the job itself then
        command, more = f"exec {command}", {"signal": f"B:USR2@{settings.signal_delay_s}", **more}
    given["tasks_per_node"] = settings.tasks
    renamed = executor._convert_parameters({k: given.pop(k) for k in shared if k in given})
    executor.update_parameters(
        **renamed,
        **given,
        array_parallelism=min(settings.array_parallelism, at_once),
        additional_parameters=more,
    )
    executor.parameters["map_count"] = count
    with warnings.catch_warnings():  # SLURM heeds it with any request for GPUs
        warnings.filterwarnings("ignore", '"cpus_per_gpu" requires')
        return executor.text()
