import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from models.mlp import MLP
from sweeper.errors import ConfigError
from sweeper.space_node import without_space
from sweeper.trial.optimizers import build_optimizer


def model() -> nn.Module:
    torch.manual_seed(0)
    return MLP(input_shape=(6,), outputs=3, width=8, depth=2)


def steps(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(10):
        optimizer.zero_grad()
        network(torch.randn(16, 6, generator=generator)).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in network.parameters()]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_each_option_steps_as_torch_does(compose, name):
    node = without_space(compose(f"optimizer={name}")).optimizer
    values = OmegaConf.to_container(node)
    kind = getattr(torch.optim, values.pop("_target_").rsplit(".", 1)[1])
    decay = values.pop("weight_decay", 0)
    ours, theirs = model(), model()
    exempt, decayed = ([p for p in theirs.parameters() if (p.ndim < 2) is flag] for flag in (True, False))
    reference = kind([{"params": decayed, "weight_decay": decay}, {"params": exempt, "weight_decay": 0}], **values)
    for a, b in zip(steps(ours, build_optimizer(node, ours)), steps(theirs, reference), strict=True):
        torch.testing.assert_close(a, b)


ADAM = {"_target_": "torch.optim.Adam", "lr": 3e-4}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": -0.1}, r"^optimizer.lr must be > 0, got -0.1; try optimizer.lr=3e-4$"),
        ({"lr": "fast"}, r"optimizer.lr must be > 0, got fast"),
        ({"lr": float("nan")}, r"optimizer.lr must be > 0, got nan"),
        ({"betas": [0.9, 1.0]}, r"optimizer.betas must be >= 0 and < 1 each, got \[0.9, 1.0\]"),
        ({"eps": 0}, r"optimizer.eps must be > 0"),
        ({"weight_decay": -1}, r"optimizer.weight_decay must be >= 0"),
        ({"_target_": "torch.optim.SGD", "momentum": 1}, r"optimizer.momentum must be >= 0 and < 1, got 1"),
        ({"lrr": 1}, r"optimizer.lrr is unknown to torch.optim.Adam \(did you mean 'lr'\?\)"),
        ({"_target_": "torch.nn.Flatten", "start_dim": 1}, r"optimizer.lr is unknown to torch.nn.Flatten"),
        ({"_target_": "torch.optim.SGD", "nesterov": True}, r"optimizer: Nesterov momentum requires"),
        ({"_target_": "torch.optim.Adm"}, r"optimizer._target_ must be importable, got torch.optim.Adm"),
    ],
)
def test_a_mistake_names_its_key(values, message):
    with pytest.raises(ConfigError, match=message):
        build_optimizer(OmegaConf.create(ADAM | values), model())


def test_a_model_without_parameters_is_an_error():
    with pytest.raises(ConfigError, match="model must have trainable parameters"):
        build_optimizer(OmegaConf.create(ADAM), nn.ReLU())
