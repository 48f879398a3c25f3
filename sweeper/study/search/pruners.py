"""Pruners by name or by ``_target_``: which running trials are not worth finishing (all are Optuna's)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner, NopPruner

from sweeper.errors import ConfigError, nearest
from sweeper.study.search.own import is_own, make_own

_NAMES = {"asha": "SuccessiveHalvingPruner", "hyperband": "HyperbandPruner", "median": "MedianPruner"}


def make_pruner(spec: Any) -> BasePruner:
    """Build the pruner; null is none. ConfigError for an unknown name or key."""
    if spec is None:
        return NopPruner()
    if isinstance(spec, BasePruner):
        return spec
    keys = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
    named = str(keys.pop("name", None) or keys.pop("_target_", None))
    if is_own(named, "optuna.pruners"):
        return make_own("pruner", BasePruner, named, keys, instead="hydra.sweeper.pruner=asha")  # type: ignore[type-abstract]
    short = named.rpartition(".")[2]
    cls = getattr(optuna.pruners, _NAMES.get(short, short), None)
    if cls is None or not (isinstance(cls, type) and issubclass(cls, BasePruner)):
        raise ConfigError(
            f"hydra.sweeper.pruner must be null, {', '.join(_NAMES)} or a node with _target_, "
            f"got {named!r}{nearest(named, _NAMES)}; try hydra.sweeper.pruner=asha"
        )
    known = inspect.signature(cls).parameters
    for key, value in keys.items():
        if key not in known:
            raise ConfigError(
                f"hydra.sweeper.pruner.{key} must be a key of {cls.__name__}, got {key}={value!r}"
                f"{nearest(key, known)}; it takes {', '.join(known)}"
            )
        if isinstance(value, Mapping) and ("name" in value or "_target_" in value):  # that it wraps
            keys[key] = make_pruner(value)
    try:
        return cls(**keys)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"hydra.sweeper.pruner ({cls.__name__}) refuses its keys {keys}: {error}") from error
