"""What a person's own step keeps from call to call, so that an experiment with it leaves no trace."""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

MOST = 100_000  # numbers in a tensor, or those of the model: what is larger are data, or a teacher
WIDE = 256  # members of a list: one of more is data, and only which members it has is kept
INSTALLED = ("site-packages", "dist-packages")
OF_OPTIMIZERS = ("state", "param_groups", "defaults")  # its state_dict has them
Restore = Callable[[], Any]


def keep(*roots: Any, model: nn.Module) -> list[Restore]:
    """Calls that put back the numbers, containers, tensors and objects that ``roots``, such as a step, refer to.

    Generators and data sets are left alone, and so is ``model``.
    """
    most = max(MOST, sum(p.numel() for p in model.parameters()))
    seen = {id(part) for part in (*model.modules(), *model.parameters(), *model.buffers())}
    restores: list[Restore] = []
    waiting = list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen or each is None or isinstance(each, (int, float, str, bytes, type, types.ModuleType)):
            continue
        seen.add(id(each))
        for part, restore in _parts(each, most):
            waiting.append(part)
            if restore is not None:
                restores.append(restore)
    return restores


def _parts(each: Any, most: int) -> Iterator[tuple[Any, Restore | None]]:
    """What it refers to, and what puts it back."""
    match each:
        case types.MethodType():
            yield each.__self__, None
            yield each.__func__, None
        case types.FunctionType():
            if _own(each.__module__):
                yield from _of_function(each)
        case Tensor():
            if each.is_leaf and each.numel() <= most:
                yield None, _tensor(each)
        case np.ndarray():
            if each.size <= most:
                yield None, _array(each)
        case list() | dict() | set() | deque():
            yield None, _container(each)
            if len(each) <= WIDE:
                yield from ((part, None) for part in (each.values() if isinstance(each, dict) else each))
        case tuple():
            yield from ((part, None) for part in each[:WIDE])
        case nn.Module():
            if sum(p.numel() for p in each.parameters()) <= most:
                yield from ((part, None) for part in each.buffers())
                yield from _of_object(each)
        case Dataset() | DataLoader():
            return
        case Optimizer():
            yield from _of_object(each, without=OF_OPTIMIZERS)
        case _:
            own = isinstance(each, types.SimpleNamespace) or _own(type(each).__module__)
            if own and hasattr(each, "__dict__"):
                yield from _of_object(each)


@cache
def _own(module: str) -> bool:
    """A person's own code, not Python's and not an installed package's: a writer or a progress bar goes on."""
    file = getattr(sys.modules.get(module), "__file__", "") or ""
    return module.partition(".")[0] not in sys.stdlib_module_names - {"__main__"} and not any(
        name in file for name in INSTALLED
    )


def _of_function(function: types.FunctionType) -> Iterator[tuple[Any, Restore | None]]:
    yield vars(function), None
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # empty
            yield cell.cell_contents, _setter(cell, "cell_contents", cell.cell_contents)
    names = function.__globals__
    for name in function.__code__.co_names:
        if name in names and not isinstance(names[name], (types.ModuleType, type)):
            yield names[name], _item_setter(names, name, names[name])


def _of_object(each: Any, without: tuple[str, ...] = ()) -> Iterator[tuple[Any, Restore | None]]:
    kept = {name: value for name, value in vars(each).items() if name not in without}

    def restore() -> None:
        now = vars(each)
        for name in set(now) - set(kept) - set(without):
            del now[name]
        now.update(kept)

    yield None, restore
    yield from ((value, None) for value in kept.values())


def _setter(holder: Any, name: str, value: Any) -> Restore:
    return lambda: setattr(holder, name, value)


def _item_setter(holder: dict[str, Any], name: str, value: Any) -> Restore:
    return lambda: holder.__setitem__(name, value)


def _container(each: Any) -> Restore:
    kept = each.copy()

    def restore() -> None:
        each.clear()
        (each.extend if isinstance(each, (list, deque)) else each.update)(kept)

    return restore


def _tensor(each: Tensor) -> Restore:
    value, requires = each.detach().clone(), each.requires_grad

    @torch.no_grad()
    def restore() -> None:
        each.requires_grad_(requires)
        if each.shape == value.shape:
            each.copy_(value)

    return restore


def _array(each: np.ndarray[Any, Any]) -> Restore:
    value = each.copy()
    return lambda: np.copyto(each, value) if each.flags.writeable else None
