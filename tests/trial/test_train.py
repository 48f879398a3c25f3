import json
from datetime import datetime

import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from sweeper.errors import ConfigError
from sweeper.folder import read_attempt
from sweeper.trial.data import load, open_test


def test_the_linear_model_reaches_what_scikit_learn_reaches(run_trial, tmp_path, compose):
    accuracy = run_trial(
        tmp_path,
        "data=breast_cancer",
        "model=linear",
        "optimizer.lr=0.01",
        "stage.epochs=40",
        "objective=val_accuracy",
    )
    data = load(compose("data=breast_cancer").data)
    reference = LogisticRegression(max_iter=1000).fit(data.train.inputs, data.train.targets)
    assert accuracy == pytest.approx(reference.score(data.val.inputs, data.val.targets), abs=0.02)


@pytest.mark.parametrize(("model", "lr", "epochs", "least"), [("mlp", 0.003, 12, 0.96), ("cnn", 0.01, 5, 0.9)])
def test_learns_the_digits(run_trial, tmp_path, model, lr, epochs, least):
    setting = (f"model={model}", f"optimizer.lr={lr}", f"stage.epochs={epochs}", "objective=val_accuracy")
    assert run_trial(tmp_path, *setting) >= least


def test_learns_the_regression(run_trial, tmp_path):
    assert run_trial(tmp_path, "data=diabetes", "optimizer.lr=0.003", "objective=val_r2") > 0.35


def test_saved_weights_give_the_reported_accuracy(run_trial, tmp_path, compose):
    accuracy = run_trial(tmp_path, "data=wine", "model=linear", "optimizer.lr=0.01", "objective=val_accuracy")
    held, val = load_file(tmp_path / "model.safetensors"), load(compose("data=wine").data).val
    outputs = torch.tensor(val.inputs) @ held["head.weight"].T + held["head.bias"]
    assert (outputs.argmax(1).numpy() == val.targets).mean() == pytest.approx(accuracy)


def test_test_is_opened_once_and_the_record_says_when(run_trial, tmp_path, compose):
    setting = ("data=wine", "model=linear", "optimizer.lr=0.01", "stage.epochs=3")
    run_trial(tmp_path, *setting)
    assert not (tmp_path / "test.json").exists()
    for _ in range(2):
        run_trial(tmp_path, *setting, "stage.test=true")
    (opening,) = json.loads((tmp_path / "test.json").read_text())
    assert abs((datetime.now().astimezone() - datetime.fromisoformat(opening["opened"])).total_seconds()) < 60

    held, test = load_file(tmp_path / "model.safetensors"), open_test(compose("data=wine").data)
    outputs = torch.tensor(test.inputs) @ held["head.weight"].T + held["head.bias"]
    assert opening["metrics"]["test_accuracy"] == pytest.approx((outputs.argmax(1).numpy() == test.targets).mean())
    record = read_attempt(tmp_path, 2)
    assert record.metrics[-1]["step"] == 3
    assert record.metrics[-1]["values"] == opening["metrics"]
    assert [artifact["path"] for artifact in record.artifacts] == ["test.json"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("objective=val_acuracy", r"objective must be one of train_loss, .*did you mean 'val_accuracy'"),
        ("objective=test_loss", "objective must be one of train_loss, val_loss, val_accuracy, got test_loss"),
        ("stage.epochs=0", "stage.epochs must be >= 1, got 0; try stage.epochs=10"),
        ("stage.batch_size=0", "stage.batch_size must be >= 1"),
        ("stage.checkpoint_every_s=-1", "stage.checkpoint_every_s must be >= 0"),
    ],
)
def test_a_mistake_names_its_key_before_training(run_trial, tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        run_trial(tmp_path, override)
    assert read_attempt(tmp_path, 0).metrics == []
