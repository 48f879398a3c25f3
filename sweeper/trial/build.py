"""From a config node with ``_target_`` to the object, with errors that name the key."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf

from sweeper.errors import ConfigError, nearest, words


@functools.cache
def _callable(path: str) -> functools.partial[Any]:
    """What a dotted path names, or InstantiationException; a fork finds what its parent has looked up."""
    found: functools.partial[Any] = hydra.utils.instantiate({"_target_": path, "_partial_": True})
    # before each call Hydra looks for what a config must not do with functions that do anything (0.2 ms)
    return functools.partial(found.func) if _makes_only_itself(found.func) else found


def _makes_only_itself(function: Any) -> bool:
    """Whether it is a torch module's or optimizer's class, or one of ours."""
    torch: Any = sys.modules.get("torch")
    torchs = isinstance(function, type) and torch and issubclass(function, (torch.nn.Module, torch.optim.Optimizer))
    return torchs or getattr(function, "__module__", "").startswith("sweeper.")


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What it takes, by name; a fork finds what its parent has looked up. ValueError of a builtin that doesn't say."""
    return (_parameters if isinstance(function, Hashable) else _parameters.__wrapped__)(function)


@functools.cache
def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _calls_nothing_else(value: Any, *, top: bool = True) -> bool:
    """Whether a node has no key of Hydra's but its own ``_target_``, at any depth."""
    if isinstance(value, dict):
        ours = {"_target_"} if top else set()
        hydras = {key for key in value if isinstance(key, str) and key.startswith("_") and key.endswith("_")}
        return hydras <= ours and all(_calls_nothing_else(v, top=False) for v in value.values())
    return not isinstance(value, list) or all(_calls_nothing_else(v, top=False) for v in value)


def target(node: DictConfig, key: str) -> functools.partial[Any]:
    """The callable that ``node`` at config key ``key`` names, with the node's values bound to it.

    Raises ConfigError if it can't be imported or doesn't take one of the values.
    """
    if not isinstance(node, DictConfig) or node.get("_target_") is None:
        raise ConfigError(f"{key}._target_ must name a class or function, got {node}; choose a file of conf/{key}")
    try:
        values: Any = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        if isinstance(node._target_, str) and _calls_nothing_else(values):
            # the callable is Hydra's to find and to allow; once is enough
            path = values.pop("_target_")
            bound = functools.partial(_callable(path), **values)
        else:
            bound = hydra.utils.instantiate(node, _partial_=True, _convert_="all")
    except MissingMandatoryValue:
        name = min(OmegaConf.missing_keys(node))
        raise ConfigError(f"{key}.{name} must be set, got ???; try {key}.{name}=…") from None
    except InstantiationException as error:
        reason = words(error.__cause__ or error)
        raise ConfigError(f"{key}._target_ must be importable, got {node._target_}: {reason}") from error
    assert isinstance(bound, functools.partial)
    try:
        parameters = parameters_of(bound.func)
    except ValueError:  # a builtin that tells nothing; calling it will
        return bound
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for name in bound.keywords:
            if name not in parameters:
                raise ConfigError(f"{key}.{name} is unknown to {node._target_}{nearest(name, parameters)}; remove it")
    for name, value in bound.keywords.items():
        if name in parameters:
            _check_type(f"{key}.{name}", value, parameters[name])
    return bound


_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {  # annotation: what fits, and in words
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "bool": (bool, "true or false"),
    "str": (str, "text"),
    "None": (type(None), "null"),
}


def _check_type(key: str, value: Any, parameter: inspect.Parameter) -> None:
    """ConfigError for a value that isn't of the plain type that its parameter is annotated with."""
    written = parameter.annotation
    kinds = (written if isinstance(written, str) else getattr(written, "__name__", "")).split(" | ")
    if not all(kind in _KINDS for kind in kinds) or value is parameter.default:
        return
    if not any(isinstance(value, _KINDS[k][0]) and (k == "bool" or not isinstance(value, bool)) for k in kinds):
        drawn = ", in a sweep by int(interval(low, high))" if isinstance(value, float) and "int" in kinds else ""
        raise ConfigError(
            f"{key} must be {' or '.join(_KINDS[k][1] for k in kinds)}, got {value!r}; set {key}=…{drawn}"
        )


def call(bound: functools.partial[Any], key: str, *args: Any, note: str = "", **given: Any) -> Any:
    """Call what :func:`target` gave; a ValueError or TypeError becomes a ConfigError.

    A message that begins with a parameter's name gets the key before it; others get ``note`` after them.
    """
    try:
        return bound(*args, **given)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        message = str(error)
        known = message.split(" ", 1)[0] in bound.keywords
        text = f"{key}.{message}" if known else f"{key}: {message}" + (f" ({note})" if note else "")
        raise ConfigError(text) from error


def instantiate(node: DictConfig, key: str, *args: Any, note: str = "", **given: Any) -> Any:
    """:func:`target` and :func:`call` in one."""
    return call(target(node, key), key, *args, note=note, **given)
