"""What a key may hold: the value if it keeps the rule, else one line."""

from __future__ import annotations

from typing import Any

from sweeper.errors import ConfigError


def whole(key: str, value: Any, *, at_least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ConfigError(f"{key} must be a whole number >= {at_least}, got {value!r}; try {key}={max(at_least, 1)}")
    return value


def positive(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f"{key} must be a number > 0, got {value!r}; try {key}=1")
    return value


def flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{key} must be true or false, got {value!r}; try {key}=false")
    return value
