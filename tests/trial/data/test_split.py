import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from sweeper.errors import ConfigError
from sweeper.trial.data.split import moments, split_indices, standardise, strata

RNG = np.random.default_rng(0)


def test_covers_all_once_and_keeps_the_shares_in_each_class():
    classes = np.repeat([0, 1, 2], [600, 300, 100])
    parts = split_indices(classes, val=0.2, test=0.1, seed=0)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(1000))
    counts = [np.bincount(classes[part]).tolist() for part in parts]
    assert counts == [[420, 210, 70], [120, 60, 20], [60, 30, 10]]


def test_depends_on_its_seed_alone():
    classes = RNG.integers(0, 3, 200)
    first, again, other = (split_indices(classes, val=0.2, test=0.2, seed=s) for s in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_a_class_too_rare_to_share_stays_in_train():
    classes = np.repeat([0, 1], [100, 2])
    train, _, _ = split_indices(classes, val=0.2, test=0.2, seed=0)
    assert (classes[train] == 1).sum() == 2


def test_regression_splits_see_every_decile():
    targets = RNG.lognormal(size=1000)
    bins = strata(targets, None)
    assert np.bincount(bins).tolist() == [100] * 10
    _, val, _ = split_indices(bins, val=0.2, test=0.2, seed=0)
    assert np.bincount(bins[val]).tolist() == [20] * 10


@pytest.mark.parametrize(("val", "test"), [(0, 0.2), (0.5, 0.5), (0.2, -0.1), (float("nan"), 0.2)])
def test_impossible_shares_are_an_error(val, test):
    with pytest.raises(ConfigError, match=r"data.split must have val > 0.*try data.split.val=0.2"):
        split_indices(np.zeros(10), val=val, test=test, seed=0)


def test_too_few_examples_are_an_error():
    with pytest.raises(ConfigError, match="must leave examples to train and val, got 2 and 0"):
        split_indices(np.zeros(2), val=0.2, test=0.2, seed=0)


def test_tables_are_scaled_as_scikit_learn_does():
    table = RNG.normal(3, [1, 1e-3, 1e6], size=(50, 3))
    expected = StandardScaler().fit_transform(table)
    np.testing.assert_allclose(standardise(table, *moments(table)), expected, rtol=1e-5, atol=1e-5)


def test_a_constant_feature_becomes_zero():
    table = np.full((50, 1), 0.1, np.float32)
    assert np.abs(standardise(table, *moments(table))).max() < 1e-6


def test_images_are_scaled_by_channel():
    images = RNG.normal([[[[0.0]], [[5.0]]]], [[[[1.0]], [[9.0]]]], size=(40, 2, 4, 4))
    scaled = standardise(images, *moments(images))
    np.testing.assert_allclose(scaled.mean((0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std((0, 2, 3)), 1, atol=1e-6)
