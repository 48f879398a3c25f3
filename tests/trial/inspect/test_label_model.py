import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

from sweeper.trial.inspect.label_model import guess_labels


def scaled(loader):
    inputs, targets = loader(return_X_y=True)
    return StandardScaler().fit_transform(inputs).astype(np.float32), targets


@pytest.mark.parametrize("seed", range(5))
def test_the_top_of_the_ranking_holds_planted_errors_in_digits(seed):
    inputs, labels = load_digits(return_X_y=True)
    inputs = ((inputs - inputs.mean()) / inputs.std()).astype(np.float32)
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(labels), round(0.03 * len(labels)), replace=False)
    planted = labels.copy()
    planted[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    guesses = guess_labels(inputs, planted, 10, np.arange(len(labels)))
    top = np.argsort(-guesses.score)[: len(wrong)]
    assert np.isin(top, wrong).mean() >= 0.9
    assert guesses.wrong[wrong].mean() >= 0.5 and np.isin(np.flatnonzero(guesses.wrong), wrong).mean() >= 0.95


def test_hardly_a_right_label_is_doubted():
    for loader in (load_digits, load_wine, load_breast_cancer):
        inputs, labels = scaled(loader)
        guesses = guess_labels(inputs, labels, labels.max() + 1, np.arange(len(labels)))
        assert guesses.wrong.mean() <= 0.01, loader


def test_is_as_skilled_as_a_logistic_regression():
    for loader in (load_digits, load_wine, load_breast_cancer):
        inputs, labels = scaled(loader)
        theirs = (cross_val_predict(LogisticRegression(max_iter=2000), inputs, labels, cv=5) == labels).mean()
        assert guess_labels(inputs, labels, labels.max() + 1, np.arange(len(labels))).skill >= theirs - 0.02


def test_labels_without_rhyme_are_not_doubted():
    rng = np.random.default_rng(0)
    guesses = guess_labels(rng.normal(size=(500, 5)).astype(np.float32), rng.integers(0, 3, 500), 3, np.arange(500))
    assert not guesses.skilled and not guesses.wrong.any()


def test_a_wrong_value_is_found_in_a_regression():
    inputs, values = scaled(load_diabetes)
    values = values + 0.0
    values = inputs @ np.arange(1, 11) + np.random.default_rng(0).normal(0, 1, len(values))
    values[[5, 50, 300]] += 60
    guesses = guess_labels(inputs, values, None, np.arange(len(values)))
    assert set(np.argsort(-guesses.score)[:3]) == {5, 50, 300} == set(np.flatnonzero(guesses.wrong))


def test_a_copy_does_not_give_a_label_away():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 20)).astype(np.float32)
    labels = rng.integers(0, 2, 200)
    twice, groups = np.concatenate([inputs, inputs]), np.tile(np.arange(200), 2)
    assert guess_labels(twice, np.tile(labels, 2), 2, groups).skill < 0.65
