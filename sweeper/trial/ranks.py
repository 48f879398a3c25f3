"""Several processes that train one network together: data-parallel, through lightning-fabric.

Each has the whole data, draws the same batches and regularizes them alike, then computes its share of each, so that
the loss curve is that of one process on the same batches (to rounding; dropout and batch statistics are each
process's own).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sweeper.errors import ConfigError
from sweeper.trial.setup import Setup

T = TypeVar("T")


class Alone:
    """One process, with nothing to share."""

    rank, world = 0, 1

    def device(self, device: torch.device) -> torch.device:
        """The one of this process."""
        return device

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model whose gradients are everybody's."""
        return model

    def part(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """This process's examples of a batch."""
        return inputs, targets

    def mean_loss(self, run: Setup, outputs: Tensor, targets: Tensor, batch: int) -> Tensor:
        """Of this process's part of a batch, what to minimise so that together it is the batch's mean."""
        return run.mean_loss(outputs, targets)

    def average(self, value: Tensor) -> Tensor:
        """The mean of the processes' values."""
        return value

    def first(self, call: Callable[[], T]) -> T:
        """What ``call`` returns in the first process; the others wait for it."""
        return call()


class Together(Alone):
    """One process of several, as torch's environment variables say (``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` …)."""

    def __init__(self) -> None:
        self.rank, self.world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self._fabric: Any = None
        self._wrapped: tuple[nn.Module, nn.Module] | None = None

    def device(self, device: torch.device) -> torch.device:
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        self._fabric = _fabric(device, self.world)
        return device

    def wrap(self, model: nn.Module) -> nn.Module:
        if self._wrapped is None or self._wrapped[0] is not model:
            self._wrapped = model, self._fabric.setup_module(model)
        return self._wrapped[1]

    def part(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        batch = len(targets)
        own = slice(self.rank * batch // self.world, (self.rank + 1) * batch // self.world)
        return inputs[own], targets[own]

    def mean_loss(self, run: Setup, outputs: Tensor, targets: Tensor, batch: int) -> Tensor:
        scale = self.world / batch  # gradients are averaged over processes, whose parts may differ
        return run.loss(outputs, targets).sum() * scale

    def average(self, value: Tensor) -> Tensor:
        averaged: Tensor = self._fabric.all_reduce(value, reduce_op="mean")
        return averaged

    def first(self, call: Callable[[], T]) -> T:
        told: T = self._fabric.broadcast(call() if self.rank == 0 else None)
        return told


def processes() -> Alone:
    """What this process is of its trial."""
    return Together() if int(os.environ.get("WORLD_SIZE") or 1) > 1 and "RANK" in os.environ else Alone()


def _fabric(device: torch.device, world: int) -> Any:
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ImportError as error:
        raise ConfigError(
            f"a trial of {world} processes needs lightning-fabric, which can't be imported ({error}); "
            "pip install lightning-fabric"
        ) from error

    class Environment(TorchElasticEnvironment):
        """Each process is a node of one device to Fabric, whichever devices SLURM lets it see."""

        def local_rank(self) -> int:
            return 0

        def node_rank(self) -> int:
            return self.global_rank()

    strategy = DDPStrategy(process_group_backend="nccl" if device.type == "cuda" else "gloo")
    devices = 1 if device.index is None else [device.index]
    fabric = Fabric(
        accelerator=device.type, devices=devices, num_nodes=world, strategy=strategy, plugins=[Environment()]
    )
    fabric.launch()
    return fabric
