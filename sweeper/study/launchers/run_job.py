"""Hydra's ``run_job`` for a process whose one job it is: the same steps, without five deep copies of the config.

Hydra's own takes 78 ms a job on a slow core: 50 for the copies and 15 for writing ``hydra.yaml`` in pure Python.
Here copies go through pickle and YAML through libyaml, which takes 15.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from hydra import version
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, _flush_loggers, configure_log, env_override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from sweeper.configs import as_written, copied, put, value_in
from sweeper.folder import replace
from sweeper.masked import masked_in
from sweeper.study.launchers.config_yaml import yaml_list, yaml_of
from sweeper.study.trial_dir import of_number


def run_job(
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    folder: Path,
    *,
    attempt: int = 0,
    rank: int = 0,
) -> JobReturn:
    """Run the job that ``config`` (its own, whole, with ``hydra``) says, in its output ``folder``.

    As with Hydra, an exception of the task function is the result's, and only the job's logging is set up.
    A later attempt, and a process with a ``rank``, log to files of their own, and the latter leaves ``.hydra`` alone.
    """
    put(config.hydra.runtime._get_node("output_dir"), str(folder))
    if not OmegaConf.is_readonly(config.hydra):
        OmegaConf.set_readonly(config.hydra, True)
    ret = JobReturn()
    ret.cfg, ret.hydra_cfg = _split(config)
    HydraConfig.instance().cfg = ret.hydra_cfg  # type: ignore[assignment]
    ret.overrides = OmegaConf.to_container(config.hydra.overrides.task)  # type: ignore[assignment]

    job = ret.hydra_cfg.hydra.job
    folder.mkdir(parents=True, exist_ok=True)
    if job.chdir or (job.chdir is None and not version.base_at_least("1.2")):
        os.chdir(folder)
        ret.working_dir = str(folder)
    else:
        ret.working_dir = os.getcwd()
    own = (f".{attempt}" if attempt else "") + (f".rank{rank}" if rank else "")
    configure_log(_own_files(config.hydra.job_logging, own) if own else config.hydra.job_logging, config.hydra.verbose)
    if config.hydra.output_subdir is not None and not rank:
        record = folder / config.hydra.output_subdir
        record.mkdir(parents=True, exist_ok=True)
        _write(record / "config.yaml", yaml_of(as_written(ret.cfg)))
        _write(record / "hydra.yaml", yaml_of(as_written(config.hydra), "hydra"))
        _write(record / "overrides.yaml", yaml_list(masked_in(ret.overrides)))

    subdir, sweep = config.hydra.sweep._get_node("subdir"), config.hydra.sweep
    written = value_in(subdir)
    name = of_number(str(written), job.num) or str(sweep.subdir)
    if os.path.normpath(os.path.join(sweep.dir, name)) != os.path.normpath(folder):
        put(subdir, os.path.relpath(folder, sweep.dir))  # a resolver says another name by now, or two had the same
    with env_override(job.env_set):
        app: Any = getattr(task_function, "__wrapped__", task_function)  # callbacks look up its source
        context.callbacks.on_job_start(config=config, task_function=app)
        try:
            ret.return_value = task_function(ret.cfg)
            ret.status = JobStatus.COMPLETED
        except Exception as error:
            ret.return_value = error
            ret.status = JobStatus.FAILED
    ret.task_name = JobRuntime.instance().get("name")
    _flush_loggers()
    context.callbacks.on_job_end(config=config, job_return=ret)
    put(subdir, written)
    return ret


def _own_files(logging: Any, suffix: str) -> Any:
    """A logging config whose files have ``suffix`` in their names: ``train.log`` → ``train.1.log``."""
    if not OmegaConf.is_config(logging):
        return logging
    told: Any = OmegaConf.to_container(logging, resolve=True)
    for handler in (told.get("handlers") or {}).values():
        if isinstance(handler.get("filename"), str):
            stem, extension = os.path.splitext(handler["filename"])
            handler["filename"] = f"{stem}{suffix}{extension}"
    return OmegaConf.create(told)


def _split(config: DictConfig) -> tuple[DictConfig, DictConfig]:
    """The app's part, a copy; and ``hydra`` alone, the read-only node itself.

    As with Hydra its parent stays the whole config, so that `${hydra:…}` sees interpolations into the app's part.
    """
    nodes = config.__dict__["_content"]
    config.__dict__["_content"] = {key: node for key, node in nodes.items() if key != "hydra"}
    try:
        task = copied(config)
    finally:
        config.__dict__["_content"] = nodes
    hydra = DictConfig({})
    hydra.__dict__["_content"]["hydra"] = nodes["hydra"]
    return task, hydra


def _write(path: Path, text: str) -> None:
    """A file that nobody reads before the trial has begun; one of an earlier attempt is replaced whole."""
    data = text.encode(errors="replace")
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        replace(path, data)
        return
    with open(fd, "wb", buffering=0) as file:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
