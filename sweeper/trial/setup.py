"""Everything that one run trains with, built from its config."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.optim import Optimizer

from sweeper.errors import ConfigError
from sweeper.trial.build import instantiate
from sweeper.trial.data import Data, Split, load
from sweeper.trial.optimizers import build_optimizer
from sweeper.trial.regularizers import Regularizers, build_regularizers
from sweeper.trial.seeds import seed_everything
from sweeper.trial.tasks import Loss, Task, task_of

log = logging.getLogger(__name__)

HEAD_SCALE = 0.1  # of the last weights at the start: outputs begin at the bias, gradients still pass


@dataclass(frozen=True)
class Setup:
    """The parts of a run; ``train`` and ``val`` are (inputs, targets) on ``device``."""

    seed: int
    device: torch.device
    data: Data
    task: Task
    train: tuple[Tensor, Tensor]
    val: tuple[Tensor, Tensor]
    model: nn.Module
    loss: Loss
    optimizer: Optimizer
    regularizers: Regularizers

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what each epoch reports."""
        return ("train_loss", "val_loss", f"val_{self.task.metric}")

    def mean_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean of ``loss``, a scalar: the task's own where no regularizer changed it."""
        mine = self.loss == self.task.losses
        return self.task.mean_loss(outputs, targets) if mine else self.loss(outputs, targets).mean()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold to go on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "regularizers": self.regularizers.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.regularizers.load_state_dict(state["regularizers"])


def build(cfg: DictConfig, device: torch.device) -> Setup:
    """Build the parts of a run; initial weights depend on ``cfg.seed``, the model and the data alone."""
    torch.backends.cudnn.deterministic = True  # its other kernels add in no fixed order: same seed, other bits
    data = load(cfg.data)
    task = task_of(data)
    train = on_device(data.train, device)
    seed_everything(cfg.seed, "model")
    model = instantiate(cfg.model, "model", note=str(data), input_shape=data.input_shape, outputs=data.outputs)
    start_at(model, task.best_constant(train[1]))
    regularizers = build_regularizers(cfg.get("regularizer"))
    model = regularizers.change_model(model).to(device)
    optimizer = regularizers.change_optimizer(build_optimizer(cfg.optimizer, model), model)
    return Setup(
        seed=cfg.seed,
        device=device,
        data=data,
        task=task,
        train=train,
        val=on_device(data.val, device),
        model=model,
        loss=regularizers.change_loss(task.losses, task),
        optimizer=optimizer,
        regularizers=regularizers,
    )


def on_device(split: Split, device: torch.device) -> tuple[Tensor, Tensor]:
    """(inputs, targets) of a split as tensors of their own."""
    return torch.tensor(split.inputs, device=device), torch.tensor(split.targets, device=device)


def start_at(model: nn.Module, outputs: Tensor) -> None:
    """Start the last layer at the best constant answer, so that training needn't learn it (recipe tip 12).

    The first loss is then that answer's, the entropy of the prior for classes, to within about 0.01.
    """
    head = getattr(model, "head", None)
    if not isinstance(head, nn.Linear) or head.bias is None:
        log.info("%s has no `head` (nn.Linear with bias): its last bias starts as it is", type(model).__name__)
        return
    with torch.no_grad():
        head.weight.mul_(HEAD_SCALE)
        head.bias.copy_(outputs)


def pick_device(name: str) -> torch.device:
    """``auto`` is a GPU where there is one; ConfigError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch without CUDA
        reason = str(error).splitlines()[0]
        raise ConfigError(f"stage.device must be usable here, got {name} ({reason}); try stage.device=auto") from error
    return device
