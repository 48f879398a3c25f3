import numpy as np
import pytest
from sklearn import datasets

from sweeper.errors import ConfigError
from sweeper.trial.data import load, open_test, sklearn_tables

SETS = {
    "digits": (1797, (1, 8, 8), 10),
    "wine": (178, (13,), 3),
    "breast_cancer": (569, (30,), 2),
    "diabetes": (442, (10,), 1),
}


@pytest.mark.parametrize("name", SETS)
def test_the_three_splits_hold_all_of_the_source(compose, name):
    total, shape, outputs = SETS[name]
    node = compose(f"data={name}").data
    data, test = load(node), open_test(node)
    assert (data.input_shape, data.outputs) == (shape, outputs)
    assert len(data.train) + len(data.val) + len(test) == total
    assert len(data.val) == pytest.approx(0.2 * total, rel=0.1)
    targets = np.concatenate([data.train.targets, data.val.targets, test.targets]) * data.target_std + data.target_mean
    expected = getattr(datasets, f"load_{name}")().target
    np.testing.assert_allclose(np.sort(targets), np.sort(expected), rtol=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_the_files_hold_what_scikit_learn_reads_from_them(name):
    ours = getattr(sklearn_tables, name)()
    options = {"scaled": False} if name == "diabetes" else {}
    theirs = getattr(datasets, f"load_{name}")(**options)
    np.testing.assert_array_equal(ours.inputs.reshape(len(ours.inputs), -1), theirs.data)
    np.testing.assert_array_equal(ours.targets, theirs.target)
    assert ours.classes == (None if name == "diabetes" else tuple(map(str, theirs.target_names)))


@pytest.mark.parametrize("name", SETS)
def test_statistics_are_of_train_alone(compose, name):
    data = load(compose(f"data={name}").data)
    axes = (0, 2, 3) if len(data.input_shape) == 3 else (0,)
    np.testing.assert_allclose(data.train.inputs.mean(axes, dtype=float), 0, atol=1e-5)
    np.testing.assert_allclose(data.train.inputs.std(axes, dtype=float), 1, atol=1e-4)
    assert np.abs(data.val.inputs.mean(axes, dtype=float)).max() > 1e-3


def test_regression_targets_are_in_training_deviations(compose):
    data = load(compose("data=diabetes").data)
    assert abs(data.train.targets.mean(dtype=float)) < 1e-6
    assert data.train.targets.std(dtype=float) == pytest.approx(1, abs=1e-5)


def test_is_read_once_and_cannot_be_written(compose):
    node = compose().data
    assert load(node) is load(node)
    with pytest.raises(ValueError, match="read-only"):
        load(node).train.inputs[0] = 1


def test_test_is_not_in_what_training_gets(compose):
    node = compose("data=wine").data
    data, test = load(node), open_test(node)
    seen = {row.tobytes() for split in (data.train, data.val) for row in split.inputs}
    assert not any("test" in name for name in vars(data))
    assert not seen & {row.tobytes() for row in test.inputs}


def test_no_test_split_cannot_be_opened(compose):
    with pytest.raises(ConfigError, match=r"data.split.test must be > 0 to open test"):
        open_test(compose("data=wine", "data.split.test=0").data)


def test_a_source_must_return_examples(compose):
    with pytest.raises(ConfigError, match=r"data._target_ must return Examples, got dict"):
        load(compose("data=wine", "data._target_=builtins.dict").data)
