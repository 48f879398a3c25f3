"""What each activation in a forward pass gives, whether a module or a function makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sweeper.trial.check.subject import Subject

RECTIFIERS = {"relu", "relu_", "clamp_min", "threshold", "hardtanh"}
SQUASHERS = {"tanh", "sigmoid", "tanh_", "sigmoid_"}
SOFTMAX = "_softmax"
EXAMPLES = 256


@dataclass
class Activation:
    """One call: its ``kind`` and its outputs (examples, …)."""

    kind: str
    outputs: Tensor


@dataclass
class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    found: list[Activation] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        kind = func.overloadpacket.__name__
        if kind in RECTIFIERS | SQUASHERS | {SOFTMAX} and isinstance(result, Tensor) and result.ndim >= 2:
            axis = int(args[1]) if kind == SOFTMAX else -1
            self.found.append(Activation(kind.rstrip("_"), result.detach().movedim(axis, -1).clone()))
        return result


def activations(subject: Subject) -> list[Activation]:
    """Those of a forward pass over the first 256 examples, in order; measured once."""
    if "activations" not in subject.facts:
        with subject.untouched(), torch.no_grad():
            subject.facts["activations"] = _recorded(subject)
    found: list[Activation] = subject.facts["activations"]
    return found


@torch.no_grad()
def trained_before(subject: Subject) -> list[bool]:
    """Whether each of them has anything trainable before it: random features that stay need not be steep."""
    found = activations(subject)
    with subject.untouched():
        for _, p in subject.trainable():
            p.add_(torch.randn_like(p), alpha=max(float(p.abs().mean()), 0.1))
        moved = _recorded(subject)
    if len(moved) != len(found):
        return [True] * len(found)
    return [not torch.equal(a.outputs, b.outputs) for a, b in zip(found, moved, strict=True)]


def _recorded(subject: Subject) -> list[Activation]:
    recorder = _Recorder()
    with recorder:
        subject.forward(subject.pool.first(EXAMPLES).inputs)
    return recorder.found


def by_unit(outputs: Tensor) -> Tensor:
    """(numbers, units): axis 1 for feature maps, else the last axis."""
    axis = 1 if outputs.ndim == 4 else outputs.ndim - 1
    return outputs.movedim(axis, -1).reshape(-1, outputs.shape[axis])
