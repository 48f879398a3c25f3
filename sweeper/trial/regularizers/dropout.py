"""Dropout after each hidden activation."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from sweeper.errors import ConfigError

log = logging.getLogger(__name__)

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Tanh, nn.Hardtanh, nn.Sigmoid, nn.Hardsigmoid, nn.Hardswish, nn.Softplus, nn.Softsign,
)  # fmt: skip
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Dropout:
    """Zeroes a share ``p`` of hidden units in training, scales the rest by 1/(1-p) (Srivastava et al. 2014).

    Feature maps (batch, channels, height, width) lose whole channels (Tompson et al. 2015). Recipe tip 33.
    """

    def __init__(self, *, p: float) -> None:
        if not 0 < p < 1:
            raise ConfigError(
                f"regularizer.dropout.p must be > 0 and < 1, got {p}; "
                "try regularizer.dropout.p=0.1 or leave dropout out"
            )
        self.p = p

    def change_model(self, model: nn.Module) -> nn.Module:
        """Insert after each activation module; ConfigError where there is none."""
        sites = [
            (parent, name, child)
            for parent in model.modules()
            for name, child in parent.named_children()
            if isinstance(child, ACTIVATIONS)
        ]
        if not sites:
            raise ConfigError(
                "regularizer.dropout needs a model with hidden activations (modules such as nn.ReLU), "
                f"got {type(model).__name__} with none; leave dropout out or use model=mlp"
            )
        for parent, name, activation in sites:
            setattr(parent, name, nn.Sequential(activation, Drop(self.p)))
        if any(isinstance(module, NORMS) for module in model.modules()):
            log.warning(
                "dropout beside batch norm: the norm's statistics differ between training and evaluation "
                "(Li et al. 2019); compare with regularizer=[] before keeping both"
            )
        return model


class Drop(nn.Module):
    """The inserted layer; ``p`` is a buffer, so that trials which differ in it share one compiled graph."""

    p: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(p), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, …) to the same; elementwise, or by channel for (batch, channels, height, width)."""
        if not self.training:
            return hidden
        shape = (*hidden.shape[:2], 1, 1) if hidden.ndim == 4 else hidden.shape
        keep = torch.rand(shape, device=hidden.device) >= self.p
        return hidden * (keep / (1 - self.p)).to(hidden.dtype)
