import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score

from sweeper.trial.tasks import Classification, Regression


def test_classification_agrees_with_scikit_learn():
    outputs, targets = torch.randn(50, 3), torch.randint(0, 3, (50,))
    task = Classification(classes=3)
    probabilities = outputs.double().softmax(1).numpy()
    assert task.losses(outputs, targets).mean().item() == pytest.approx(
        log_loss(targets, probabilities, labels=[0, 1, 2]), rel=1e-5
    )
    assert task.score(outputs, targets) == accuracy_score(targets, outputs.argmax(1))


def test_regression_agrees_with_scikit_learn():
    outputs, targets = torch.randn(50, 1), torch.randn(50)
    task = Regression()
    assert task.losses(outputs, targets).shape == (50,)
    assert task.losses(outputs, targets).mean().item() == pytest.approx(
        mean_squared_error(targets, outputs[:, 0]), rel=1e-5
    )
    assert task.score(outputs, targets) == pytest.approx(r2_score(targets, outputs[:, 0]), rel=1e-5)


def test_the_best_constant_answer_costs_the_entropy_of_the_prior():
    targets = torch.tensor([0] * 70 + [1] * 25 + [2] * 5)
    task = Classification(classes=3)
    loss = task.losses(task.best_constant(targets).expand(100, 3), targets).mean().item()
    prior = np.array([0.7, 0.25, 0.05])
    assert loss == pytest.approx(-(prior * np.log(prior)).sum(), rel=1e-6)


def test_a_class_without_examples_stays_finite():
    assert Classification(classes=3).best_constant(torch.tensor([0, 1])).isfinite().all()


def test_the_best_constant_of_regression_is_the_mean():
    targets = torch.tensor([1.0, 2.0, 6.0])
    assert Regression().best_constant(targets).tolist() == [3.0]
