"""``loss.backward()`` and ``optimizer.step()`` without what nobody reads: a third of a small network's step.

To the same bits as torch's own, whose kernels do the work.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks


def backward_on(device: torch.device) -> Callable[[Tensor], object]:
    """``torch.autograd.backward`` of a scalar; on a CPU torch's engine itself, 31 of a small step's 320 µs less.

    What lies between the two serves the threads of other devices, and debugging logs.
    """
    if device.type != "cpu":
        return torch.autograd.backward
    run = torch.autograd.Variable._execution_engine.run_backward
    one = torch.ones(())

    def backward(loss: Tensor) -> None:
        run((loss,), (one.to(loss.dtype),), False, False, (), allow_unreachable=True, accumulate_grad=True)

    return backward


def step_of(optimizer: Optimizer) -> Callable[[], object]:
    """``optimizer.step``; ask again once its groups or state have been changed by others.

    For torch's own optimizers without the record of a profiler that doesn't run (44 of 320 µs less), for fused Adam
    also with lists of its tensors that are made once, after the first step (35 µs).
    """
    hooks = (
        _global_optimizer_pre_hooks, _global_optimizer_post_hooks,
        optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks,
    )  # fmt: skip
    torchs = type(optimizer).__module__.startswith("torch.optim.") and "step" not in vars(optimizer)
    if not torchs or any(hooks) or torch._C._autograd._profiler_enabled() or optimizer.defaults.get("differentiable"):
        return optimizer.step
    step = torch.no_grad()(partial(inspect.unwrap(type(optimizer).step), optimizer))
    if not all(_is_plain_adam(optimizer, group) for group in optimizer.param_groups):
        return step
    updates, set_grad_enabled = _updates(optimizer), torch._C._set_grad_enabled

    def fused() -> None:
        nonlocal updates
        gradients: list[list[Any]] = [[p.grad for p in group["params"]] for group in optimizer.param_groups]
        if updates is None or any(one is None or one.is_sparse for several in gradients for one in several):
            step()
            updates = updates or _updates(optimizer)
            return
        enabled = torch.is_grad_enabled()
        set_grad_enabled(False)
        try:
            for update, several in zip(updates, gradients, strict=True):
                update(several)
        finally:
            set_grad_enabled(enabled)

    return fused


def _is_plain_adam(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    """Whether a group is fused Adam's or AdamW's, without rarer options."""
    if type(optimizer) not in (Adam, AdamW) or not group["fused"] or group["amsgrad"] or group["maximize"]:
        return False
    return len({(p.device, p.dtype) for p in group["params"]}) == 1


def _updates(optimizer: Optimizer) -> list[Callable[[list[Tensor]], None]] | None:
    """A step of each group, given all its gradients; None while a parameter has not had its first one."""
    if not all(optimizer.state.get(p) for group in optimizer.param_groups for p in group["params"]):
        return None
    decoupled = type(optimizer) is AdamW
    return [
        _update(optimizer, group, decoupled or bool(group.get("decoupled_weight_decay")))
        for group in optimizer.param_groups
    ]


def _update(optimizer: Optimizer, group: dict[str, Any], decoupled: bool) -> Callable[[list[Tensor]], None]:
    kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_
    states: list[dict[str, Tensor]] = [optimizer.state[p] for p in group["params"]]
    count = torch.stack([state["step"] for state in states])
    for state, step in zip(states, count.unbind(), strict=True):
        state["step"] = step  # a view, so that one addition counts for all
    steps, means, squares = ([state[name] for state in states] for name in ("step", "exp_avg", "exp_avg_sq"))

    def update(gradients: list[Tensor]) -> None:
        count.add_(1)
        beta1, beta2 = group["betas"]
        kernel(
            group["params"], gradients, means, squares, [], steps, lr=group["lr"], beta1=beta1, beta2=beta2,
            weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False, maximize=False,
        )  # fmt: skip

    return update
