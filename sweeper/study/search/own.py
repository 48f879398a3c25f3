"""A sampler or pruner of the app's own, by its ``_target_``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sweeper.errors import ConfigError, words

T = TypeVar("T")


def is_own(target: Any, package: str) -> bool:
    """Whether it is a class outside of Optuna's ``package``, whatever it calls itself."""
    return "." in str(target) and not str(target).startswith(f"{package}.")


def make_own(
    what: str, kind: type[T], target: str, keys: Mapping[str, Any], *, instead: str,
    given: Callable[[], Mapping[str, Any]] | None = None,
) -> T:  # fmt: skip
    """Make the ``sampler`` or ``pruner`` that ``target`` names of its ``keys``, or of what ``given`` makes of them."""
    from hydra.utils import instantiate

    try:
        made = instantiate({"_target_": target, **(keys if given is None else given())})
    except Exception as error:
        reason = words(error.__cause__ or error)[:300]
        raise ConfigError(f"hydra.sweeper.{what} ({target}) must be made of its keys {keys}, got: {reason}") from error
    if not isinstance(made, kind):
        raise ConfigError(f"hydra.sweeper.{what} must be an Optuna {what}, got {target}; try {instead}")
    return made
