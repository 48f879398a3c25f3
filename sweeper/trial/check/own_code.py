"""Calls of a person's own functions: by the names of their arguments, and their errors told from a check's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sweeper.errors import words


class OwnCodeFailed(Exception):
    """A person's own function raised; the text is what."""


@contextmanager
def own_code() -> Iterator[None]:
    """Tell an error of a person's own function from one of a check's."""
    try:
        yield
    except Exception as error:
        raise OwnCodeFailed(f"{type(error).__name__}: {words(error)[:300]}") from error


def call_by_name(function: Callable[..., Any], known: Mapping[str, Any], positional: tuple[Any, ...]) -> Any:
    """Call with the known arguments that it names, else with ``positional`` (a pair where it takes one)."""
    parameters = [
        p for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.default is p.empty
    ]  # fmt: skip
    if parameters and all(p.name in known and p.kind is not p.POSITIONAL_ONLY for p in parameters):
        return function(**{p.name: known[p.name] for p in parameters})
    if len(parameters) == 1:
        return function(positional)
    return function(*positional[: len(parameters)] if parameters else ())
