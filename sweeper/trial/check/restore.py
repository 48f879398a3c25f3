"""Experiments on a person's own model and optimizer that leave no trace."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sweeper.trial.check.kept import keep
from sweeper.trial.seeds import seed_everything

HELD = ("_parameters", "_buffers", "_modules")


@contextmanager
def untouched(model: nn.Module, *keepers: Any, seed: int, step: Any = None) -> Iterator[None]:
    """Seed the global generators, and afterwards put all back in place.

    That is: weights, buffers, gradients, modes and plain attributes of ``model``, the state of optimizers and
    schedules (``keepers``, those with ``state_dict``), what the person's own ``step`` and optimizers keep, and the
    global generators. A generator that a person's code keeps for itself is left alone, or reruns could not show that
    it goes on.
    """
    modules = [(module, _attributes(module)) for module in model.modules()]
    tensors = [(t, t.detach().clone(), t.grad, None if t.grad is None else t.grad.clone(), t.requires_grad)
               for t in _tensors(model, keepers)]  # fmt: skip
    own = keep(step, *(k for k in keepers if isinstance(k, Optimizer)), model=model)
    states = [(k, copy.deepcopy(k.state_dict())) for k in keepers if hasattr(k, "state_dict")]
    cuda = torch.cuda.get_rng_state_all() if torch.cuda._initialized else []
    randomness = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    seed_everything(seed, "check")
    try:
        yield
    finally:
        for module, kept in modules:
            _put_back(module, kept)
        for restore in own:
            restore()
        for k, state in states:
            k.load_state_dict(state)
        with torch.no_grad():
            for tensor, value, grad, grad_value, requires in tensors:
                tensor.requires_grad_(requires)
                tensor.copy_(value)
                tensor.grad = grad
                if grad is not None and grad_value is not None:
                    grad.copy_(grad_value)
        random.setstate(randomness[0])
        np.random.set_state(randomness[1])
        torch.set_rng_state(randomness[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


def _tensors(model: nn.Module, keepers: tuple[Any, ...]) -> list[Tensor]:
    found = {id(t): t for t in [*model.parameters(), *model.buffers()]}
    for keeper in keepers:
        if isinstance(keeper, Optimizer):  # a stale optimizer holds tensors that no model has
            found |= {id(t): t for group in keeper.param_groups for t in group["params"]}
    return list(found.values())


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {name: (dict(value) if name in HELD else value) for name, value in vars(module).items()}


def _put_back(module: nn.Module, kept: dict[str, Any]) -> None:
    for name in set(vars(module)) - set(kept):
        del module.__dict__[name]
    for name, value in kept.items():
        if name in HELD:
            held = module.__dict__[name]
            held.clear()
            held.update(value)
        else:
            module.__dict__[name] = value
