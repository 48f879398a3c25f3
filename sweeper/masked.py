"""Passwords in addresses stay out of what is written: both halves write, so both know this."""

from __future__ import annotations

import re
from typing import Any

_USER = re.compile(r"(://[^\s:/@'\"]*):[^\s'\"]*@")
_QUERY = re.compile(r"([?&](?:password|passwd|pwd|token|secret|api_key)=)[^&\s'\"]+", re.IGNORECASE)
HIDDEN = ":***@"


def masked(text: str) -> str:
    """Text without the passwords of the addresses in it."""
    return _QUERY.sub(r"\1***", _USER.sub(rf"\1{HIDDEN}", text)) if "://" in text else text


def masked_in(value: Any) -> Any:
    """The same for every text in lists and mappings."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {k: masked_in(v) for k, v in value.items()}
    return [masked_in(v) for v in value] if isinstance(value, (list, tuple)) else value
