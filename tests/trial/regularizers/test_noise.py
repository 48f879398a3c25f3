import pytest
import torch

from sweeper.errors import ConfigError
from sweeper.trial.regularizers.noise import Noise


def test_adds_gaussian_noise_of_its_deviation():
    inputs, targets = torch.zeros(200, 500), torch.zeros(200)
    noisy, same = Noise(std=0.3).change_batch(inputs, targets, torch.Generator().manual_seed(0))
    assert noisy.std().item() == pytest.approx(0.3, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0, abs=0.01)
    assert (noisy.abs() < 0.3).float().mean().item() == pytest.approx(0.6827, abs=0.01)  # the normal law's one sigma
    assert same is targets
    assert inputs.abs().max() == 0


def test_tokens_take_no_noise():
    with pytest.raises(ConfigError, match=r"regularizer.noise needs real-valued inputs, got torch.int64"):
        Noise(std=0.3).change_batch(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2), torch.Generator())


@pytest.mark.parametrize("std", [0, -1, float("nan"), float("inf")])
def test_out_of_range_is_an_error(std):
    with pytest.raises(ConfigError, match=r"regularizer.noise.std must be > 0, got"):
        Noise(std=std)
