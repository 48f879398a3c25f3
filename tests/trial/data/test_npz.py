import numpy as np
import pytest
from sklearn.datasets import load_digits

from sweeper.errors import ConfigError
from sweeper.trial.data import load, read

X, Y = load_digits(return_X_y=True)


@pytest.fixture
def node(compose, tmp_path):
    def composed(arrays, *overrides):
        np.savez(tmp_path / "a.npz", **arrays)
        return compose("data=npz", f"data.path={tmp_path}/a.npz", *overrides).data

    return composed


def test_x_and_y_are_found_and_whole_numbers_are_classes(node):
    data = load(node({"x": X, "y": Y}))
    assert data.input_shape == (64,) and data.classes == tuple("0123456789")


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1)])
def test_pixels_get_their_channels_first(node, shape):
    data = load(node({"images": X.astype(np.uint8).reshape(-1, *shape), "labels": Y}))
    assert data.input_shape == (1, 8, 8) and data.train.inputs.dtype == np.float32


def test_arrays_named_after_splits_are_the_splits(node):
    named = {"x_train": X[:1000], "y_train": Y[:1000], "x_test": X[1000:], "y_test": Y[1000:]}
    _, parts = read(node(named))
    assert len(parts[0]) + len(parts[1]) == 1000 and len(parts[1]) == pytest.approx(200, abs=5)
    assert parts[2].tolist() == list(range(1000, len(X)))


@pytest.mark.parametrize(
    ("arrays", "overrides", "message"),
    [
        ({"a": X, "b": Y}, [], r"must name arrays of .*it has a, b"),
        ({"x": X, "y": Y[:-1]}, [], r"a target an example, got 1797 in x, 1796 in y"),
        ({"x": X, "y": Y}, ["data.inputs=xx", "data.targets=y"], r"data.inputs must be an array, got xx"),
        ({"x": X, "y": np.array([object()] * len(X))}, [], r"data.path must be a readable .npz file"),
        ({"x": np.where(X == 3, np.nan, X), "y": Y}, [], r"finite features, got NaN or infinity in \d+ of 1797"),
    ],
)
def test_mistakes_are_one_line(node, arrays, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load(node(arrays, *overrides))


def test_another_file_is_one_line(compose, tmp_path):
    np.save(tmp_path / "b.npy", X)
    (tmp_path / "c.npz").write_bytes(b"PK nothing")
    for name in ("b.npy", "c.npz"):
        with pytest.raises(ConfigError, match=r"data.path must be (a readable|an) .npz file"):
            read(compose("data=npz", f"data.path={tmp_path}/{name}").data)
