import numpy as np
import pytest
import torch

from models.mlp import MLP


def test_is_the_network_that_numpy_computes():
    model = MLP(input_shape=(1, 2, 3), outputs=4, width=7, depth=2)
    inputs = torch.randn(5, 1, 2, 3)
    hidden = inputs.numpy().reshape(5, 6)
    layers = [p.detach().numpy() for p in model.parameters()]
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        hidden = np.maximum(hidden @ weight.T + bias, 0)
    expected = hidden @ layers[-2].T + layers[-1]
    np.testing.assert_allclose(model(inputs).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("width", "depth"), [(1, 1), (8, 1), (8, 3)])
def test_parameters_are_as_many_as_the_formula_says(width, depth):
    model = MLP(input_shape=(6,), outputs=4, width=width, depth=depth)
    expected = (6 + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * 4
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"width": 0, "depth": 1}, "width must be >= 1"), ({"width": 8, "depth": 0}, "depth must be >= 1")],
)
def test_out_of_range_is_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        MLP(input_shape=(6,), outputs=4, **settings)
