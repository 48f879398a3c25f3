"""``space:`` entries beside an option's own defaults: found by the study, dropped before use by the trial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig

from sweeper.configs import as_written, copied, value_in

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
    drop_spaces(cfg)
    return cfg


def drop_spaces(cfg: DictConfig) -> None:
    """Remove every ``space:`` entry from a config of one's own."""
    _drop(value_in(cfg))


def _drop(nodes: dict[Any, Any]) -> None:
    for key, node in list(nodes.items()):
        if isinstance(children := value_in(node), dict):
            if key == "space" and is_space(node):
                del nodes[key]
            else:
                _drop(children)


def _raw(node: Any) -> Mapping[str, Any]:
    if isinstance(node, DictConfig):
        node = as_written(node)
    return node if isinstance(node, Mapping) else {}
