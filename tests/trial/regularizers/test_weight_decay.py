import pytest
import torch
from torch import nn

from models.mlp import MLP
from sweeper.errors import ConfigError
from sweeper.trial.regularizers.weight_decay import WeightDecay


def trained(decay: float | None, kind: type[torch.optim.Optimizer], **kernel: bool) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = MLP(input_shape=(6,), outputs=3, width=8, depth=2)
    groups = [{"params": [p for p in model.parameters() if (p.ndim > 1) is flag]} for flag in (True, False)]
    if decay is not None:
        groups[0]["weight_decay"], groups[1]["weight_decay"] = decay, 0.0
    optimizer = kind(groups, lr=0.01, **kernel)
    if decay is None:
        optimizer = WeightDecay(rate=0.3).change_optimizer(optimizer, model)
    for step in range(20):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 / (1 + step)  # a schedule: decay must follow it
        optimizer.zero_grad()
        model(torch.randn(16, 6)).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("kernel", ["foreach", "fused"])
def test_on_adam_it_is_adamw_without_biases(kernel):
    ours = trained(None, torch.optim.Adam, **{kernel: True})
    theirs = trained(0.3, torch.optim.AdamW, **{kernel: True})
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            a, b, rtol=0 if kernel == "foreach" else 1e-5, atol=0 if kernel == "foreach" else 1e-7
        )


def test_on_sgd_it_shrinks_by_the_closed_form():
    layer = nn.Linear(3, 2)
    before = [p.detach().clone() for p in layer.parameters()]
    optimizer = WeightDecay(rate=0.5).change_optimizer(torch.optim.SGD(layer.parameters(), lr=0.1), layer)
    for _ in range(10):
        for p in layer.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before[0] * (1 - 0.1 * 0.5) ** 10)
    assert torch.equal(layer.bias.detach(), before[1])


def test_beside_an_optimizer_that_decays_it_is_an_error():
    layer = nn.Linear(3, 2)
    with pytest.raises(ConfigError, match=r"optimizer.weight_decay must be 0 beside .*, got 0.01; set"):
        WeightDecay(rate=0.5).change_optimizer(torch.optim.AdamW(layer.parameters()), layer)


def test_no_weight_to_decay_is_an_error():
    norm = nn.LayerNorm(3)
    with pytest.raises(ConfigError, match=r"regularizer.weight_decay needs weights with two axes"):
        WeightDecay(rate=0.5).change_optimizer(torch.optim.Adam(norm.parameters()), norm)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_out_of_range_is_an_error(rate):
    with pytest.raises(ConfigError, match=r"regularizer.weight_decay.rate must be > 0, got"):
        WeightDecay(rate=rate)
