"""Hydra's ``run_job`` for a process whose one job it is: the same steps, without five deep copies of the config.

Hydra's own takes 78 ms a job on a slow core: 50 for the copies and 15 for writing ``hydra.yaml`` in pure Python.
Here copies go through pickle and YAML through libyaml, which takes 15.
"""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from hydra import version
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, _flush_loggers, configure_log, env_override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper

from sweeper.configs import as_written, copied, put, value_in
from sweeper.folder import replace
from sweeper.masked import masked_in
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
        _write(record / "overrides.yaml", _list(masked_in(ret.overrides)))

    subdir, sweep = config.hydra.sweep._get_node("subdir"), config.hydra.sweep
    written = value_in(subdir)
    name = of_number(str(written), job.num) or str(sweep.subdir)
    if os.path.normpath(os.path.join(sweep.dir, name)) != os.path.normpath(folder):
        put(subdir, os.path.relpath(folder, sweep.dir))  # a resolver says another name by now, or two had the same
    with env_override(job.env_set):
        context.callbacks.on_job_start(config=config, task_function=task_function)
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


class _Dumper(yaml.CDumper if yaml.__with_libyaml__ else yaml.Dumper):  # type: ignore[misc]
    """OmegaConf's representation of values, written by libyaml's emitter where PyYAML has it."""

    yaml_representers = get_omega_conf_dumper().yaml_representers


def _yaml(value: Any) -> str:
    return str(yaml.dump(value, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_Dumper))


_texts: dict[str, str] = {}  # of the parts of configs, most of which are the same from trial to trial


def yaml_of(content: Mapping[Any, Any], *above: str) -> str:
    """A config, ``as_written``, or what there is under the keys ``above``, as Hydra writes it: unresolved, in order.

    Only rare strings are quoted in another style. What a nursery has written its forks find written.
    """
    begin = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(above))
    return begin + _parts(content, above, begin) if content else _yaml(content)


def _parts(content: Mapping[Any, Any], above: tuple[str, ...], begin: str) -> str:
    """The lines of ``content`` below those of the keys ``above``, which are ``begin``."""
    parts = []
    for key, value in content.items():
        known = f"{begin}{key!r}: {value!r}"
        if known not in _texts:
            if len(_texts) > 1000:
                _texts.clear()
            indent = "  " * len(above)
            if _plain(key) and isinstance(value, dict) and value:  # of one that changed most is still the same
                line = f"{indent}{key}:\n"
                _texts[known] = line + _parts(value, (*above, key), begin + line)
            elif _plain(key) and (text := _simple(value, indent)) is not None:
                _texts[known] = f"{indent}{key}:{text}\n"
            else:
                part = {key: masked_in(value)}
                for outer in reversed(above):
                    part = {outer: part}
                _texts[known] = _yaml(part).removeprefix(begin)
        parts.append(_texts[known])
    return "".join(parts)


_BARE = re.compile(r"(?:/|[A-Za-z_][A-Za-z0-9_.]*[=/])[A-Za-z0-9_=/.,+-]*")  # text that YAML reads as nothing else


def _simple(value: Any, indent: str) -> str | None:
    """A number, a path, an override, or a list of such as YAML has them after a key; None for others.

    The emitter takes 0.1 ms for each, and these are what differs from trial to trial.
    """
    if type(value) is int:
        return f" {value}"
    if type(value) is float and math.isfinite(value):
        text = repr(value)
        return f" {text if '.' in text else text.replace('e', '.0e', 1)}"
    if type(value) is str and _BARE.fullmatch(value):
        return f" {value}"
    if type(value) is list and value and not any(isinstance(item, list) for item in value):
        items = [_simple(item, indent) for item in value]
        return None if None in items else "".join(f"\n{indent}-{item}" for item in items)
    return None


def _list(texts: list[str]) -> str:
    """As YAML has a list."""
    simple = _simple(texts, "")
    return _yaml(texts) if simple is None else simple.removeprefix("\n") + "\n"


@lru_cache(maxsize=1000)
def _plain(key: Any) -> bool:
    """Whether YAML has a key as it is."""
    return isinstance(key, str) and _yaml({key: 0}) == f"{key}: 0\n"
