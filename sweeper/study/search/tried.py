"""Values that the config must take, tried before the first trial: a mistake is one line, not a failed trial each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError

from sweeper.errors import ConfigError, nearest
from sweeper.study.compose import Composer, all_keys, app_part, has_key
from sweeper.study.search.parameter import Parameter, Point, Value

_NONE: Any = object()
_NAMED = re.compile(r" override '?([^'=\s]+)(?:=(.*))?")  # in what Hydra says

Table = tuple[Point, Mapping[str, Parameter]]  # the parameters that are active where a point's options are chosen


def try_values(composer: Composer, tables: Sequence[Table], overrides: Callable[[Point], list[str]]) -> None:
    """ConfigError for a value that a structured config refuses: each choice is set once, and each bound."""
    tried: set[tuple[str, str]] = set()
    for chosen, table in tables:
        whole = first_values(chosen, table)
        fresh = [p for p in table.values() if p.key not in chosen and (p.key, p.written) not in tried]
        tried |= {(p.key, p.written) for p in fresh}
        if not _all_at_once(composer, whole, fresh, overrides):
            _one_by_one(composer, chosen, table, fresh, overrides)


def _all_at_once(
    composer: Composer, whole: Point, parameters: Sequence[Parameter], overrides: Callable[[Point], list[str]]
) -> bool:
    """Whether the first values of all go together, their second ones, and so on: to compose takes time."""
    try:
        for values in zip_longest(*(p.extremes for p in parameters), fillvalue=_NONE):
            given = {p: value for p, value in zip(parameters, values, strict=True) if value is not _NONE}
            cfg = composer.compose(overrides({**whole, **{p.key: value for p, value in given.items()}}))
            for p, value in given.items():
                check_leads(cfg, composer.parse(p.override(value)))
    except Exception:  # OmegaConf refuses some by an AttributeError in its own code
        return False
    return True


def _one_by_one(
    composer: Composer,
    chosen: Point,
    table: Mapping[str, Parameter],
    parameters: Sequence[Parameter],
    overrides: Callable[[Point], list[str]],
) -> None:
    whole = first_values(chosen, table)
    for p in parameters:
        for value in p.extremes:
            try:
                cfg = composer.compose(overrides({**whole, p.key: value}))
            except Exception as error:
                first = [(q, whole[q.key]) for q in table.values() if q.key not in chosen]
                suspects = [(p, value), *first]
                alone = (s for s in suspects if not _composes(composer, overrides({**chosen, s[0].key: s[1]})))
                raise _refused(error, table, *next(alone, (p, value))) from error
            check_leads(cfg, composer.parse(p.override(value)))


def _composes(composer: Composer, overrides: list[str]) -> bool:
    try:
        composer.compose(overrides)
    except Exception:
        return False
    return True


def first_values(chosen: Point, table: Mapping[str, Parameter]) -> Point:
    """The point of each parameter's first value, where these options are chosen."""
    return {**{k: p.at(0.0) for k, p in table.items()}, **chosen}


def check_leads(cfg: DictConfig, override: Override) -> None:
    """ConfigError for a value that a person gave and that is an interpolation of a key that is not there."""
    key = override.key_or_group
    if "$" not in str(override.input_line) or not has_key(cfg, key):
        return
    try:
        OmegaConf.select(cfg, key)
    except InterpolationKeyError as error:
        missing = str(error).split("'")[1]
        raise ConfigError(
            f"{key} must lead to a key of the config, got an interpolation of {missing}, which is not there"
            f"{nearest(missing, all_keys(app_part(cfg)))}; correct it, or give the value"
        ) from None
    except InterpolationResolutionError:  # by a resolver that a job may know, by then
        return


def _refused(error: Exception, table: Mapping[str, Parameter], p: Parameter, value: Value) -> ConfigError:
    first, *more = str(error).splitlines()
    if said := _NAMED.search(first):  # the one that Hydra could not set, maybe another one's first value
        named, text = said[1].lstrip("+"), said[2]
        known = next((key for key in table if key == named or named.startswith(f"{key.lstrip('+')}.")), None)
        if known is not None and known != p.key:
            p, value = table[known], text or table[known].at(0.0)
    reason = str(error.__cause__ or error).splitlines()[0]
    if p.key.startswith("+") and "already" in reason:
        return ConfigError(
            f"{p.key} ({p.source}) must be a new key, got one that is there; write {p.key.lstrip('+')}=…"
        )
    new = next((line for line in more if line.startswith("To append to your config")), None)
    repair = "leave it out, or cast: int(…), float(…), str(…)" if new is None else f"t{new[1:]}"
    return ConfigError(
        f"{p.key} ({p.source}) must have values that the config takes, got {value} of {p.written}: {reason}; {repair}"
    )
