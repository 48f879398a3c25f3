"""``space:`` entries beside an option's own defaults: found by the study, dropped before use by the trial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, flag_override

from sweeper.configs import copied

_CALL = re.compile(r"\s*\w+\s*\(.*\)\s*", re.DOTALL)


def is_space(node: Any) -> bool:
    """True for a mapping with at least one value written as a call, such as ``uniform(0, 1)``."""
    return isinstance(node, Mapping | DictConfig) and any(
        isinstance(v, str) and _CALL.fullmatch(v) for v in _raw(node).values()
    )


def declared(cfg: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each ``(full key, distribution as written)`` that the options of a composed config declare."""
    for key, value in _raw(cfg).items():
        if key == "space" and is_space(value):
            for name, text in value.items():
                yield f"{prefix}{name}", str(text)
        elif isinstance(value, Mapping):
            yield from declared(value, f"{prefix}{key}.")


def without_space(cfg: DictConfig) -> DictConfig:
    """A copy of the config with every ``space:`` entry removed, ready to instantiate and to log."""
    cfg = copied(cfg)
    _delete_spaces(cfg)
    return cfg


def _delete_spaces(node: DictConfig) -> None:
    for key in list(node):
        child = node._get_node(key)
        if not isinstance(child, DictConfig) or child._is_none() or child._is_interpolation() or child._is_missing():
            continue
        if key == "space" and is_space(child):
            with flag_override(node, ["struct", "readonly"], [False, False]):
                del node[key]
        else:
            _delete_spaces(child)


def _raw(node: Any) -> Mapping[str, Any]:
    if isinstance(node, DictConfig):
        container = OmegaConf.to_container(node, resolve=False)
        return container if isinstance(container, Mapping) else {}  # type: ignore[return-value]
    return node if isinstance(node, Mapping) else {}
