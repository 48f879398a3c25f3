"""What a network's outputs are: which axis has the classes, and what the last operation made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CLASSES, BINARY, VALUES, EMBEDDING = "classes", "binary", "values", "embedding"


@dataclass(frozen=True)
class Kind:
    """``classes``: one class number a prediction, outputs have ``count`` numbers for it along ``axis``.

    ``binary``: a 0 or 1 for each output. ``values``: real numbers, one for each output. ``embedding``: targets are
    class numbers, but the outputs are no scores of them: the loss compares examples, or has the last layer.
    """

    name: str
    count: int = 1
    axis: int = 1


def tensor_of(raw: Any) -> Tensor | None:
    """The predictions in what a model returns: the tensor, ``logits``, or the first tensor in it."""
    if isinstance(raw, Tensor):
        return raw
    if isinstance(getattr(raw, "logits", None), Tensor):
        return raw.logits  # type: ignore[no-any-return]
    if isinstance(raw, dict):
        return next((part for key in ("logits", *raw) if isinstance(part := raw.get(key), Tensor)), None)
    if isinstance(raw, (tuple, list)):
        return next((part for part in raw if isinstance(part, Tensor)), None)
    return None


def tensors_of(raw: Any) -> list[Tensor]:
    """Every tensor in what a model returns."""
    if isinstance(raw, Tensor):
        return [raw]
    parts = raw.values() if isinstance(raw, dict) else raw if isinstance(raw, (tuple, list)) else vars(raw).values()
    return [part for part in parts if isinstance(part, Tensor)]


def kind_of(outputs: Tensor, targets: Tensor) -> Kind:
    """The kind of task that outputs and targets of these shapes, types and values make together."""
    whole = not targets.is_floating_point()
    if whole and targets.ndim >= 1 and outputs.ndim == targets.ndim + 1 and targets.dtype != torch.bool:
        last = outputs.ndim - 1
        axis = last if outputs.ndim > 2 and outputs.shape[:-1] == targets.shape else 1
        if outputs.shape[axis] > 1:
            return Kind(CLASSES, outputs.shape[axis], axis)
    if (
        whole
        and outputs.numel() != targets.numel()
        and targets.ndim == 2
        and targets.shape[1] == 1
        and outputs.ndim == 2
    ):
        return Kind(CLASSES, outputs.shape[1], 1)  # class numbers as a column
    values = torch.unique(targets) if targets.numel() <= 100_000 else torch.unique(targets.flatten()[:100_000])
    zero_one = bool(((values == 0) | (values == 1)).all()) and len(values) <= 2
    if targets.is_floating_point() and targets.shape == outputs.shape and outputs.ndim == 2 and outputs.shape[1] > 1:
        sums = targets.sum(1)
        if bool((targets >= 0).all()) and bool((sums - 1).abs().max() < 1e-4):
            return Kind(CLASSES, outputs.shape[1], 1)  # class probabilities, or one-hot
    if zero_one:
        return Kind(BINARY, outputs.numel() // max(len(outputs), 1))
    return Kind(VALUES, outputs.numel() // max(len(outputs), 1))


RAW = "raw"
PROBABILITIES = "softmax"
LOG_PROBABILITIES = "log_softmax"
SIGMOID, TANH, RELU = "sigmoid", "tanh", "relu"
CLAMP = "clamp"
DISTANCE = "distance"

_SHAPES_ONLY = (
    "View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Permute", "Clone", "Slice", "Select",
    "TBackward", "Alias", "Expand", "ToCopy", "AsStrided", "Flatten",
)  # fmt: skip

_DISTANCES = ("Sqrt", "Norm", "LinalgVectorNorm", "Cdist", "Abs")  # none of these is ever negative


@dataclass(frozen=True)
class Family:
    """The last operation's ``name``; for a softmax its ``axis``, for a clamp, or a softmax of one, its ``bounds``."""

    name: str
    axis: int | None = None
    bounds: tuple[float, float] | None = None


def family_of(outputs: Tensor) -> Family:
    """Read the last operation off the graph of ``outputs``; a hand-written softmax off the values."""
    node = _last_operation(outputs.grad_fn)
    name = "" if node is None else node.name()
    if name.startswith(("ClampBackward", "HardtanhBackward")):
        inner = _last_operation(node.next_functions[0][0])
        if inner is None or not inner.name().startswith(("Sigmoid", "Softmax", "LogSoftmax")):
            return Family(CLAMP, bounds=_bounds(node))
        node, name = inner, inner.name()  # kept a little off 0 and 1
    if name.startswith(("SoftmaxBackward", "LogSoftmaxBackward")):
        axis = int(getattr(node, "_saved_dim", 1))
        axis = axis - 2**64 if axis >= 2**63 else axis
        result = getattr(node, "_saved_result", None)
        if isinstance(result, Tensor) and name.startswith("Softmax") and result.shape[axis] == 1:
            return Family(PROBABILITIES, axis % outputs.ndim, (1.0, 1.0))
        return Family(PROBABILITIES if name.startswith("Softmax") else LOG_PROBABILITIES, axis % outputs.ndim)
    for family in (SIGMOID, TANH, RELU):
        if name.lower().startswith(f"{family}backward"):
            return Family(family)
    if name.startswith(_DISTANCES) or (name.startswith("Sum") and _squares(node)):
        return Family(DISTANCE)
    values = outputs.detach()
    for axis in range(values.ndim - 1, -1, -1):
        if values.shape[axis] > 1 and values.ndim > 1:
            if bool((values >= 0).all()) and _ones(values.sum(axis)):
                return Family(PROBABILITIES, axis)
            if bool((values <= 0).all()) and _ones(values.exp().sum(axis)):
                return Family(LOG_PROBABILITIES, axis)
    return Family(RAW)


def _last_operation(node: Any) -> Any:
    while node is not None and node.name().startswith(_SHAPES_ONLY) and node.next_functions:
        node = node.next_functions[0][0]
    return node


def _bounds(node: Any) -> tuple[float, float]:
    low, high = (getattr(node, f"_saved_{name}", None) for name in ("min", "max"))
    low, high = (getattr(node, f"_saved_{name}_val", bound) for name, bound in (("min", low), ("max", high)))
    return (-float("inf") if low is None else float(low)), (float("inf") if high is None else float(high))


def _squares(node: Any) -> bool:
    inner = node.next_functions[0][0]
    return inner is not None and inner.name().startswith("Pow")


def as_family(logits: Tensor, family: Family) -> Tensor:
    """What a net with this last operation would give where its last layer gives ``logits``."""
    axis = 1 if family.axis is None else family.axis
    match family.name:
        case "softmax":
            return logits.softmax(axis)
        case "log_softmax":
            return logits.log_softmax(axis)
        case "sigmoid":
            return logits.sigmoid()
        case "tanh":
            return logits.tanh()
        case "relu":
            return logits.relu()
    return logits


def _ones(sums: Tensor) -> bool:
    return bool((sums - 1).abs().max() < 1e-4)
