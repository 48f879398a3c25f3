"""The shortened training step against torch's own, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from sweeper.trial.step import backward_on, step_of

OPTIMIZERS = {
    "adam": lambda groups: torch.optim.Adam(groups, lr=1e-2, fused=True),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=1e-2, betas=(0.8, 0.99), weight_decay=0.1, fused=True),
    "adam decoupled": lambda groups: torch.optim.Adam(
        groups, weight_decay=0.1, decoupled_weight_decay=True, fused=True
    ),
    "adam decayed": lambda groups: torch.optim.Adam(groups, lr=1e-2, eps=1e-3, weight_decay=0.1, fused=True),
    "amsgrad": lambda groups: torch.optim.Adam(groups, lr=1e-2, amsgrad=True, fused=True),
    "maximize": lambda groups: torch.optim.AdamW(groups, lr=1e-2, maximize=True, fused=True),
    "foreach": lambda groups: torch.optim.Adam(groups, lr=1e-2, foreach=True),
    "tensor lr": lambda groups: torch.optim.Adam(groups, lr=torch.tensor(1e-2), fused=True),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True, fused=True),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=1e-2),
}


def network(dtype: torch.dtype = torch.float32) -> tuple[nn.Sequential, list[dict[str, object]]]:
    """A small one, its two groups of parameters: the first without decay."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3), nn.Linear(3, 3)).to(dtype)
    parameters = list(model.parameters())
    return model, [{"params": parameters[:3], "weight_decay": 0.0}, {"params": parameters[3:]}]


def trained(build, *, ours: bool, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Weights and the optimizer's state after some steps; of every third the last layer has no part, nor gradients."""
    model, groups = network(dtype)
    optimizer = build(groups)
    generator = torch.Generator().manual_seed(1)
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[0]["lr"] * 0.9
        backward, step = (backward_on(torch.device("cpu")), step_of(optimizer)) if ours else (None, None)
        for batch in range(4):
            inputs = torch.randn(7, 6, generator=generator, dtype=dtype)
            outputs = model[:3](inputs) if (epoch + batch) % 3 == 2 else model(inputs)
            loss = cross_entropy(outputs, torch.randint(3, (7,), generator=generator))
            optimizer.zero_grad()
            if backward is None:
                loss.backward()
                optimizer.step()
            else:
                backward(loss)
                step()
    state = [value for p in model.parameters() for value in optimizer.state[p].values() if torch.is_tensor(value)]
    return [*model.parameters(), *state]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_gives_torchs_bits(name, dtype):
    expected = trained(OPTIMIZERS[name], ours=False, dtype=dtype)
    got = trained(OPTIMIZERS[name], ours=True, dtype=dtype)
    assert len(got) == len(expected) > 8 or name == "sgd"
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_adams_lists_are_made_once_and_hooks_and_profilers_get_the_whole_step():
    model, groups = network()
    optimizer = OPTIMIZERS["adamw"](groups)
    whole: list[str] = []  # steps that went through torch's own Python
    init_group = optimizer._init_group
    optimizer._init_group = lambda group, *lists: whole.append("group") or init_group(group, *lists)

    def steps(number: int) -> int:
        """How many groups torch's own step has gone through in so many steps."""
        whole.clear()
        step = step_of(optimizer)
        for _ in range(number):
            model(torch.ones(2, 6)).sum().backward()
            step()
        return len(whole)

    assert [steps(3), steps(2)] == [2, 0]  # two groups in the first step of all
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        assert steps(1) == 2
    assert "Optimizer.step#AdamW.step" in {event.key for event in profiler.key_averages()}
    calls: list[int] = []
    hook = optimizer.register_step_post_hook(lambda *_: calls.append(1))
    assert steps(1) == 2 and calls == [1]
    hook.remove()
    assert steps(1) == 0
    torch.optim.lr_scheduler.StepLR(optimizer, 1)  # it counts calls of optimizer.step through a patch of it
    assert steps(1) == 2 and optimizer._opt_called
