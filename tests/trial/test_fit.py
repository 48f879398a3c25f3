from pathlib import Path

import pytest
import torch

from sweeper.errors import ConfigError
from sweeper.folder import read_attempt
from sweeper.trial.fit import evaluate, train_epoch

ALL = "regularizer=[dropout,weight_decay,label_smoothing,early_stopping,noise]"
SHORT = ("stage.epochs=2", "regularizer.early_stopping.patience=1")
EACH_EPOCH = "stage.checkpoint_every_s=0"


def curve(folder: Path, attempt: int = 0) -> list[dict[str, float]]:
    return [event["values"] for event in read_attempt(folder, attempt).metrics]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_the_same_seed_gives_the_same_bits(run_trial, tmp_path, model):
    for name, seed in [("first", 0), ("again", 0), ("other", 1)]:
        run_trial(tmp_path / name, f"model={model}", ALL, *SHORT, f"seed={seed}")
    assert curve(tmp_path / "first") == curve(tmp_path / "again")
    assert weights(tmp_path / "first") == weights(tmp_path / "again")
    assert curve(tmp_path / "first")[0] != curve(tmp_path / "other")[0]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("regularizer", ["regularizer=[]", ALL])
def test_resuming_gives_the_bits_of_an_uninterrupted_run(run_trial, tmp_path, optimizer, regularizer):
    setting = ("data=wine", f"optimizer={optimizer}", "optimizer.lr=0.01", EACH_EPOCH)
    if regularizer != "regularizer=[]":
        setting = (*setting, regularizer)
    whole = run_trial(tmp_path / "whole", *setting, "stage.epochs=12")
    run_trial(tmp_path / "parts", *setting, "stage.epochs=7")
    parts = run_trial(tmp_path / "parts", *setting, "stage.epochs=12")
    assert parts == whole
    assert curve(tmp_path / "parts", 0) + curve(tmp_path / "parts", 1) == curve(tmp_path / "whole")
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_finished_run_only_returns_its_result(run_trial, tmp_path):
    setting = ("data=wine", "stage.epochs=3")
    assert run_trial(tmp_path, *setting) == run_trial(tmp_path, *setting)
    assert len(curve(tmp_path, 0)) == 3
    assert curve(tmp_path, 1) == []


def test_fewer_epochs_than_the_checkpoint_has_are_refused(run_trial, tmp_path):
    run_trial(tmp_path, "data=wine", "stage.epochs=3")
    with pytest.raises(ConfigError, match=r"stage.epochs must be >= 3 as .*checkpoint.pt has them, got 2"):
        run_trial(tmp_path, "data=wine", "stage.epochs=2")


def test_regularizers_act_in_any_order(run_trial, tmp_path):
    names = ["dropout", "weight_decay", "label_smoothing", "early_stopping", "noise"]
    for folder, order in [("ab", names), ("ba", names[::-1])]:
        run_trial(tmp_path / folder, "data=wine", f"regularizer=[{','.join(order)}]", "stage.epochs=8")
    assert curve(tmp_path / "ab") == curve(tmp_path / "ba")


@pytest.mark.parametrize("name", ["dropout", "weight_decay", "label_smoothing", "noise"])
def test_each_regularizer_changes_training(run_trial, tmp_path, name):
    run_trial(tmp_path / "without", "data=wine", "stage.epochs=2")
    run_trial(tmp_path / "with", "data=wine", f"regularizer=[{name}]", "stage.epochs=2")
    assert curve(tmp_path / "without") != curve(tmp_path / "with")


def test_train_loss_weights_the_short_batch_by_its_examples(build_setup):
    run = build_setup("data=wine", "optimizer=sgd", "optimizer.lr=1e-12", "model=linear")
    expected = evaluate(run.model, run.task, *run.train)["loss"]
    assert train_epoch(run, 1, 64) == pytest.approx(expected, rel=1e-5)  # 106 examples: 64 and 42
    assert train_epoch(run, 2, 1000) == pytest.approx(expected, rel=1e-5)


def test_evaluation_is_that_of_all_examples_at_once_and_without_dropout(build_setup):
    run = build_setup("regularizer=[dropout]")
    values = evaluate(run.model, run.task, *run.train)  # 1078 examples: three batches
    with torch.no_grad():
        outputs = run.model.eval()(run.train[0])
    expected = torch.nn.CrossEntropyLoss()(outputs.double(), run.train[1]).item()
    assert values["loss"] == pytest.approx(expected, rel=1e-6)
    assert values["accuracy"] == (outputs.argmax(1) == run.train[1]).double().mean().item()


def test_a_loss_that_is_no_number_stops_training_with_its_reason(run_trial, tmp_path):
    setting = ("data=diabetes", "optimizer=sgd", "optimizer.lr=1e6")
    with pytest.raises(FloatingPointError, match=r"_loss is (nan|inf) at epoch \d+; lower optimizer.lr"):
        run_trial(tmp_path, *setting)
    assert read_attempt(tmp_path, 0).end.state == "FAIL"
