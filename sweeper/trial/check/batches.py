"""What enters a network, whatever its shape: a tensor, or a tuple, list or dict of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sweeper.errors import ConfigError

Inputs = Any
"""A tensor (batch, …), or a tuple, list or dict of them; a dict may also hold what is no tensor."""

TARGET_KEYS = ("targets", "target", "labels", "label", "y")
POOL = 2048  # examples that the statistical checks look at: 3 standard errors of a share are then 3 %


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of some examples."""

    inputs: Inputs
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Tensor) -> Batch:
        """The examples of these rows, in this order."""
        return Batch(change(self.inputs, lambda t: t[rows.to(t.device)]), self.targets[rows.to(self.targets.device)])

    def first(self, count: int) -> Batch:
        """At most ``count`` examples from the front."""
        return self.take(torch.arange(min(count, len(self))))

    def to(self, device: torch.device) -> Batch:
        """The same on ``device``."""
        return Batch(change(self.inputs, lambda t: t.to(device)), self.targets.to(device))


def tensors(inputs: Inputs) -> list[Tensor]:
    """The tensors that enter, in order."""
    if isinstance(inputs, Tensor):
        return [inputs]
    parts = inputs.values() if isinstance(inputs, Mapping) else inputs
    return [part for part in parts if isinstance(part, Tensor)]


def change(inputs: Inputs, function: Callable[[Tensor], Tensor]) -> Inputs:
    """The same structure with each tensor changed."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {key: function(part) if isinstance(part, Tensor) else part for key, part in inputs.items()}
    return tuple(function(part) if isinstance(part, Tensor) else part for part in inputs)


def number_of(inputs: Inputs, tensor: Tensor) -> int:
    """Which of the tensors that enter ``tensor`` itself is."""
    return next(i for i, t in enumerate(tensors(inputs)) if t is tensor)


def replace(inputs: Inputs, number: int, tensor: Tensor) -> Inputs:
    """The same structure with ``tensor`` in place of the ``number``-th tensor."""
    counter = iter(range(len(tensors(inputs))))
    return change(inputs, lambda old: tensor if next(counter) == number else old)


def main(inputs: Inputs) -> Tensor:
    """The tensor with most numbers an example: the images among images and masks."""
    return max(tensors(inputs), key=lambda t: t.numel())


def flat(inputs: Inputs) -> Tensor:
    """(examples, features) of all tensors, as float64 on the CPU."""
    parts = [t.detach().reshape(len(t), -1).double().cpu() for t in tensors(inputs) if t.ndim and not t.is_complex()]
    return torch.cat(parts, 1)


def check_rows(batch: Batch) -> None:
    """ConfigError where an input is no tensor that has a row for each target, as of graphs joined into one."""
    count = len(batch.targets) if batch.targets.ndim else 0
    for name, part in _named(batch.inputs):
        rows = len(part) if part.ndim else "no"
        if rows != count:
            raise ConfigError(
                f"each input must have a row for each target, got {name} with {rows} rows for {count} targets; give "
                "what is shared to the model itself, and pad examples of several sizes to one with a mask beside them "
                "(graphs by to_dense_batch and to_dense_adj)"
            )


def _named(inputs: Inputs) -> list[tuple[str, Tensor]]:
    if isinstance(inputs, Tensor):
        return [("the input", inputs)]
    parts = inputs.items() if isinstance(inputs, Mapping) else enumerate(inputs)
    return [(f"input {name}", part) for name, part in parts if isinstance(part, Tensor)]


def _as_tensor(part: Any) -> Tensor:
    try:
        return torch.as_tensor(part)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"inputs must be a tensor, or a tuple, list or dict of tensors, got {type(part).__name__}; give the "
            "tensors that are in it"
        ) from error


def unpack(batch: Any) -> Batch:
    """A loader's batch: (inputs, targets), (input, input, …, targets), or a dict with a key of ``TARGET_KEYS``."""
    if isinstance(batch, Batch):
        return batch
    if isinstance(batch, Mapping):
        for key in TARGET_KEYS:
            if key in batch:
                return Batch({k: v for k, v in batch.items() if k != key}, torch.as_tensor(batch[key]))
        raise ConfigError(f"a batch must have targets under one of {', '.join(TARGET_KEYS)}, got keys {list(batch)}")
    if isinstance(batch, (tuple, list)) and len(batch) >= 2:
        *inputs, targets = batch
        if len(inputs) == 1:
            single = inputs[0]
            return Batch(single if isinstance(single, (Mapping, tuple, list)) else _as_tensor(single),
                         torch.as_tensor(targets))  # fmt: skip
        return Batch(tuple(_as_tensor(part) for part in inputs), torch.as_tensor(targets))
    raise ConfigError(
        f"a batch must be (inputs, targets), got {type(batch).__name__}; return such pairs from the loader"
    )


def is_pair(data: Any) -> bool:
    """True for (inputs, targets) themselves, as opposed to a list of batches."""
    if isinstance(data, (Batch, Mapping)):
        return True
    return isinstance(data, (tuple, list)) and len(data) >= 2 and hasattr(data[-1], "shape")


def gather(batches: Iterable[Any], *, most: int = POOL) -> tuple[list[Batch], Batch]:
    """The first batches, about ``most`` examples of them, as they come and joined."""
    kept: list[Batch] = []
    count = 0
    for raw in batches:
        kept.append(unpack(raw))
        count += len(kept[-1])
        if count >= most:
            break
    if not count:
        raise ConfigError("data must give at least one example, got none; check its loader")
    return kept, join(kept)


def length(loader: Any) -> int | None:
    """How many batches an epoch has; None where that is unknown, as of a stream."""
    try:
        return len(loader)
    except TypeError:
        return None


def join(parts: list[Batch]) -> Batch:
    """Batches as one."""
    if len(parts) == 1:
        return parts[0]
    columns = [tensors(part.inputs) for part in parts]
    try:
        joined = iter([torch.cat(column) for column in zip(*columns, strict=True)])
    except (RuntimeError, ValueError):  # padded to a length of its own in each batch
        return max(parts, key=len)
    return Batch(change(parts[0].inputs, lambda _: next(joined)), torch.cat([part.targets for part in parts]))
