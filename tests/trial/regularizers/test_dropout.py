import logging

import pytest
import torch
from torch import nn

from models.cnn import CNN
from models.linear import Linear
from models.mlp import MLP
from sweeper.errors import ConfigError
from sweeper.trial.regularizers.dropout import Drop, Dropout


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_drops_the_share_and_keeps_the_mean_as_torch_does(p):
    torch.manual_seed(0)
    hidden = torch.ones(400, 500)
    ours, theirs = Drop(p)(hidden), nn.Dropout(p)(hidden)
    for dropped in (ours, theirs):
        assert (dropped == 0).float().mean().item() == pytest.approx(p, abs=0.01)
    torch.testing.assert_close(ours.max(), theirs.max())


def test_feature_maps_lose_whole_channels():
    torch.manual_seed(0)
    dropped = Drop(0.5)(torch.ones(20, 30, 4, 4))
    by_channel = dropped.flatten(2)
    assert torch.equal(by_channel, by_channel[..., :1].expand_as(by_channel))
    assert 0.4 < (by_channel[..., 0] == 0).float().mean().item() < 0.6


def test_does_nothing_in_evaluation():
    hidden = torch.randn(3, 4)
    assert torch.equal(Drop(0.5).eval()(hidden), hidden)


@pytest.mark.parametrize(
    ("model", "sites"),
    [
        (MLP(input_shape=(6,), outputs=3, width=8, depth=3), 3),
        (CNN(input_shape=(1, 8, 8), outputs=3, width=4, depth=2), 2),
    ],
)
def test_acts_after_each_hidden_activation_and_keeps_the_weights_names(model, sites):
    names = list(model.state_dict())
    changed = Dropout(p=0.5).change_model(model)
    assert sum(isinstance(module, Drop) for module in changed.modules()) == sites
    assert list(changed.state_dict()) == names


def test_nowhere_to_act_is_an_error():
    with pytest.raises(ConfigError, match=r"regularizer.dropout needs .* got Linear with none; .*use model=mlp"):
        Dropout(p=0.5).change_model(Linear(input_shape=(6,), outputs=3))


@pytest.mark.parametrize("p", [0, 1, -0.1, float("nan")])
def test_out_of_range_is_an_error(p):
    with pytest.raises(ConfigError, match=r"regularizer.dropout.p must be > 0 and < 1, got"):
        Dropout(p=p)


def test_batch_norm_beside_it_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        Dropout(p=0.5).change_model(nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()))
    assert "batch norm" in caplog.text
