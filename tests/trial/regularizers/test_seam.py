import pytest
import torch
from omegaconf import OmegaConf

from sweeper.errors import ConfigError
from sweeper.space_node import without_space
from sweeper.trial.regularizers import Regularizers, build_regularizers
from sweeper.trial.regularizers.noise import Noise


class Misspelt:
    def change_loss(self, loss, task):
        return loss

    def epoch_end(self, epoch, metrics, model):
        return None


def test_none_chosen_is_nothing(compose):
    for node in (None, OmegaConf.create({}), OmegaConf.create({"noise": None})):
        assert build_regularizers(node).named == {}
    assert compose().get("regularizer") is None


def test_each_draws_numbers_of_its_own():
    inputs, targets = torch.zeros(4, 3), torch.zeros(4)
    drawn = {}
    for names in (["a"], ["b"], ["a", "b"]):
        chosen = Regularizers({name: Noise(std=1.0) for name in names})
        chosen.epoch_began(0, 1, torch.device("cpu"))
        drawn["".join(names)] = chosen.change_batch(inputs, targets)[0]
    torch.testing.assert_close(drawn["ab"], drawn["a"] + drawn["b"])
    assert not torch.equal(drawn["a"], drawn["b"])


def test_one_that_acts_nowhere_is_an_error():
    with pytest.raises(ConfigError, match=r"regularizer.mine must have a method of change_batch, .*got dict with none"):
        Regularizers({"mine": {}})


def test_a_misspelt_method_is_an_error():
    with pytest.raises(ConfigError, match=r"regularizer.mine has a method epoch_end .*did you mean 'epoch_ended'"):
        Regularizers({"mine": Misspelt()})


def test_a_mistake_names_its_key(compose):
    node = without_space(compose("regularizer=[dropout]", "+regularizer.dropout.q=1")).regularizer
    with pytest.raises(ConfigError, match=r"regularizer.dropout.q is unknown to sweeper.trial.regularizers.dropout"):
        build_regularizers(node)
