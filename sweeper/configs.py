"""Copies and values of configs: OmegaConf's own, in a fifth of the time. Each trial needs several of both."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import lru_cache
from typing import Any

import omegaconf.base
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException


def remember_interpolations() -> None:
    """Let OmegaConf parse each interpolation of this process once, not at each look: a millisecond or two in Python.

    A parse tree is a function of the text, and only read.
    """
    parse: Any = getattr(omegaconf.base, "parse", None)
    if parse is not None and not hasattr(parse, "cache_info"):
        omegaconf.base.parse = lru_cache(maxsize=1024)(parse)  # type: ignore[attr-defined]


def copied(config: DictConfig) -> DictConfig:
    """``copy.deepcopy(config)``."""
    try:
        return pickle.loads(pickle.dumps(config, pickle.HIGHEST_PROTOCOL))  # type: ignore[no-any-return]
    except Exception:  # an object in it that pickle can't take
        return copy.deepcopy(config)


def as_written(config: Any) -> Any:
    """``OmegaConf.to_container(config, resolve=False, enum_to_str=True)``: interpolations and ``???`` as they stand."""
    content = value_in(config)
    if isinstance(content, dict):
        return {_name(key): as_written(node) for key, node in content.items()}
    if isinstance(content, list):
        return [as_written(node) for node in content]
    return _name(content)


def put(node: Any, value: str | int) -> None:
    """Set a value of the type that is there; OmegaConf asks the whole config for its flags first: a millisecond."""
    node.__dict__["_val"] = value


def value_in(node: Any) -> Any:
    """What one node holds, as it stands: of a mapping its nodes by key, of a list its nodes."""
    value = node._value()
    return value._value() if isinstance(value, Node) else value  # a union holds a node of its own


def before_its_job(config: DictConfig, key: str) -> Any:
    """What a key says that an app may have; None if it has none, or only a job can tell (``${hydra:job.num}``)."""
    with suppress(OmegaConfBaseException):
        return OmegaConf.select(config, key, throw_on_missing=False)
    return None


@contextmanager
def spoken_of(config: DictConfig) -> Iterator[None]:
    """``${hydra:…}`` speaks of this config, as it does in a job, and in Hydra 1.4 in the sweep itself."""
    instance = HydraConfig.instance()
    before, instance.cfg = instance.cfg, config  # type: ignore[assignment]
    try:
        yield
    finally:
        instance.cfg = before


def _name(value: Any) -> Any:
    return value.name if isinstance(value, Enum) else value
