import pytest
import torch

from models.cnn import CNN


@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
def test_gives_outputs_for_any_image_size(size):
    model = CNN(input_shape=(3, *size), outputs=4, width=5, depth=2)
    assert model(torch.randn(2, 3, *size)).shape == (2, 4)


def test_parameters_are_as_many_as_the_formula_says():
    model = CNN(input_shape=(1, 8, 8), outputs=10, width=4, depth=2)
    assert sum(p.numel() for p in model.parameters()) == (9 * 1 + 1) * 4 + (9 * 4 + 1) * 8 + (8 + 1) * 10


def test_each_example_depends_on_itself_alone():
    model = CNN(input_shape=(1, 8, 8), outputs=3, width=4, depth=3)
    inputs = torch.randn(4, 1, 8, 8, requires_grad=True)
    model(inputs)[2].sum().backward()
    touched = inputs.grad.abs().sum((1, 2, 3)) > 0
    assert touched.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_shape": (13,), "width": 4, "depth": 1}, r"needs images .*got 13 features; use model=mlp"),
        ({"input_shape": (1, 8, 8), "width": 0, "depth": 1}, "width must be >= 1"),
        ({"input_shape": (1, 8, 8), "width": 4, "depth": 4}, r"depth must be in \[1, 3\] for images of 8x8"),
    ],
)
def test_out_of_range_is_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        CNN(outputs=4, **settings)
