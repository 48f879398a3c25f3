"""What a key may hold: the value if it keeps the rule, else one line."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sweeper.errors import ConfigError


def whole(key: str, value: Any, *, at_least: int) -> int:
    value = _meant(value, int)
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ConfigError(f"{key} must be a whole number >= {at_least}, got {value!r}; try {key}={max(at_least, 1)}")
    return value


def positive(key: str, value: Any) -> float:
    value = _meant(value, float)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f"{key} must be a number > 0, got {value!r}; try {key}=1")
    return value


def number(key: str, value: Any) -> float:
    value = _meant(value, float)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{key} must be a number, got {value!r}; try {key}=1")
    return value


def flag(key: str, value: Any) -> bool:
    value = {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
    if not isinstance(value, bool):
        raise ConfigError(f"{key} must be true or false, got {value!r}; try {key}=false")
    return value


def share(key: str, value: Any) -> float:
    value = _meant(value, float)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ConfigError(f"{key} must be a share from 0 to 1, got {value!r}; try {key}=1.0")
    return float(value)


def _meant(value: Any, kind: type[int] | type[float]) -> Any:
    """The number that a text is, as ``${oc.env:…}`` gives one: the peers' typed keys take it."""
    if isinstance(value, str):
        with suppress(ValueError):
            return kind(value)
    return value
