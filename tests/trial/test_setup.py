import numpy as np
import pytest
import torch

from sweeper.errors import ConfigError
from sweeper.trial.fit import evaluate
from sweeper.trial.setup import pick_device


@pytest.mark.parametrize("name", ["digits", "wine", "breast_cancer"])
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_the_first_loss_is_the_entropy_of_the_prior(build_setup, name, model):
    run = build_setup(f"data={name}", f"model={model}")
    prior = np.bincount(run.data.train.targets) / len(run.data.train)
    first = evaluate(run.model, run.task, *run.train)["loss"]
    assert first == pytest.approx(-(prior * np.log(prior)).sum(), abs=0.03)


def test_the_first_loss_of_regression_is_the_variance(build_setup):
    run = build_setup("data=diabetes")
    assert evaluate(run.model, run.task, *run.train)["loss"] == pytest.approx(1, abs=0.03)


def test_initial_weights_depend_on_the_seed_and_not_on_regularizers(build_setup):
    plain, regularized, other = (
        build_setup(*o).model.head.weight for o in ((), ("regularizer=[dropout,weight_decay,noise]",), ("seed=1",))
    )
    assert torch.equal(plain, regularized)
    assert not torch.equal(plain, other)


def test_a_convolution_over_a_table_says_what_to_use(build_setup):
    with pytest.raises(ConfigError, match=r"cnn needs images.*13 features; use model=mlp \(data=wine"):
        build_setup("data=wine", "model=cnn")


def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match=r"stage.device must be usable here, got tpu7.*try stage.device=auto"):
        pick_device("tpu7")
