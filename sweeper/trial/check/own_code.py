"""Calls of a person's own functions: by the names of their arguments, and their errors told from a check's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FunctionType
from typing import Any

from torch import nn

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


def stateful(function: Callable[..., Any] | None) -> list[Any]:
    """What a function refers to, or its object has, that keeps a state and is no module: optimizers, scalers, ….

    Modules are left out, as a teacher may be large.
    """
    kept = (e for e in _referred(function) if hasattr(e, "state_dict") and hasattr(e, "load_state_dict"))
    return list({id(e): e for e in kept if not isinstance(e, (nn.Module, type))}.values())


def modules_of(function: Callable[..., Any] | None) -> list[nn.Module]:
    """The networks that a function refers to, or its object has."""
    return list({id(e): e for e in _referred(function) if isinstance(e, nn.Module)}.values())


def _referred(function: Callable[..., Any] | None) -> list[Any]:
    """What is in a function's scope and its object's attributes, and in those of the person's functions there."""
    while isinstance(function, functools.partial):
        function = function.func
    found: list[Any] = []
    waiting, seen = [function] if function is not None else [], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        enclosed, others = _scope(each)
        found += [*enclosed, *others]
        same_file = (f for f in others if getattr(f, "__module__", None) == getattr(each, "__module__", ""))
        waiting += [f for f in (*enclosed, *same_file) if isinstance(f, FunctionType)]
    for each in list(found):
        found += each if isinstance(each, (list, tuple)) else each.values() if isinstance(each, dict) else ()
    return found


def _scope(function: Callable[..., Any]) -> tuple[list[Any], list[Any]]:
    """Values of the functions around it; those of its object and its file."""
    holder = getattr(function, "__self__", function)
    others = list(vars(holder).values()) if hasattr(holder, "__dict__") else []
    with suppress(TypeError):  # an object with __call__
        used = inspect.getclosurevars(function)
        return list(used.nonlocals.values()), [*others, *used.globals.values()]
    return [], others


@contextmanager
def put_back(modules: list[nn.Module]) -> Iterator[None]:
    """Weights, buffers and modes of networks beside the model, as before afterwards."""
    states = [{name: t.detach().clone() for name, t in module.state_dict().items()} for module in modules]
    modes = [[m.training for m in module.modules()] for module in modules]
    try:
        yield
    finally:
        for module, state, mode in zip(modules, states, modes, strict=True):
            module.load_state_dict(state)
            for m, training in zip(module.modules(), mode, strict=True):
                m.training = training
