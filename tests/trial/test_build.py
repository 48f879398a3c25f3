import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from sweeper.errors import ConfigError
from sweeper.trial.build import instantiate


def made(**values):
    return instantiate(OmegaConf.create(values), "model", note="data=wine: 13 features", input_shape=(13,), outputs=3)


def test_builds_what_the_node_says():
    assert made(_target_="models.mlp.MLP", width=5, depth=2).head.in_features == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 5}, r"model._target_ must name a class or function.*conf/model"),
        ({"_target_": ["models.mlp.MLP"]}, r"model._target_ must be importable, got \['models.mlp.MLP'\]"),
        (
            {"_target_": "os.system", "command": "touch harmed"},
            r"model._target_ must be importable, got os.system: .*blocklisted",
        ),
        ({"_target_": "models.nowhere.MLP"}, r"model._target_ must be importable, got models.nowhere.MLP"),
        (
            {"_target_": "models.mlp.MLP", "widht": 5, "depth": 1},
            r"model.widht is unknown.*did you mean 'width'",
        ),
        (
            {"_target_": "models.mlp.MLP", "width": 0, "depth": 1},
            r"^model.width must be >= 1, got 0; try 128$",
        ),
        ({"_target_": "models.mlp.MLP", "depth": 1}, r"model: .*missing.*'width'"),
        (
            {"_target_": "models.cnn.CNN", "width": 4, "depth": 1},
            r"model: cnn needs images .*got 13 features; use model=mlp \(data=wine: 13 features\)",
        ),
    ],
)
def test_a_mistake_names_its_key(values, message):
    with pytest.raises(ConfigError, match=message):
        made(**values)


def test_hydra_still_looks_at_each_call_of_other_functions():
    with pytest.raises(InstantiationException, match=r"hands_out.\) is blocklisted"):
        made(_target_="tests.trial.test_build.hands_out")


def hands_out(**_):
    import os

    return os.system
