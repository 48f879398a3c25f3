import numpy as np
import torch

from models.linear import Linear


def test_is_the_affine_map_that_numpy_computes():
    model = Linear(input_shape=(2, 3), outputs=4)
    inputs = torch.randn(5, 2, 3)
    weight, bias = (p.detach().numpy() for p in model.parameters())
    expected = inputs.numpy().reshape(5, 6) @ weight.T + bias
    np.testing.assert_allclose(model(inputs).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
