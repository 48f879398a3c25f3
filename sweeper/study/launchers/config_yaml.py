"""Configs as YAML, as Hydra writes them: what is the same from trial to trial is written once, numbers by hand.

PyYAML's own emitter, which OmegaConf uses, takes 15 ms for a trial's ``hydra.yaml``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml
from omegaconf._utils import get_omega_conf_dumper

from sweeper.masked import masked_in

_texts: dict[str, str] = {}  # of the parts of configs, most of which are the same from trial to trial


def yaml_of(content: Mapping[Any, Any], *above: str) -> str:
    """A config, ``as_written``, or what there is under the keys ``above``, as Hydra writes it: unresolved, in order.

    Only rare strings are quoted in another style. What a nursery has written its forks find written.
    """
    begin = "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(above))
    return begin + _parts(content, above, begin) if content else _yaml(content)


def yaml_list(texts: list[str]) -> str:
    """A list of texts as Hydra writes it."""
    simple = _simple(texts, "")
    return _yaml(texts) if simple is None else simple.removeprefix("\n") + "\n"


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


@lru_cache(maxsize=1000)
def _plain(key: Any) -> bool:
    """Whether YAML has a key as it is."""
    return isinstance(key, str) and _yaml({key: 0}) == f"{key}: 0\n"


class _Dumper(yaml.CDumper if yaml.__with_libyaml__ else yaml.Dumper):  # type: ignore[misc]
    """OmegaConf's representation of values, written by libyaml's emitter where PyYAML has it."""

    yaml_representers = get_omega_conf_dumper().yaml_representers


def _yaml(value: Any) -> str:
    return str(yaml.dump(value, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_Dumper))
