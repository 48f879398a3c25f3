import pytest
import torch
from torch import nn

from sweeper.errors import ConfigError
from sweeper.folder import read_attempt
from sweeper.trial.regularizers.early_stopping import EarlyStopping

LOSSES = [5.0, 3.0, 4.0, 3.0, 3.5, 1.0]


def test_stops_after_patience_and_restores_the_best():
    stopping, model, reasons = EarlyStopping(patience=3), nn.Linear(1, 1), []
    stopping.training_began(10)
    for epoch, loss in enumerate(LOSSES, start=1):
        nn.init.constant_(model.weight, epoch)
        reasons.append(stopping.epoch_ended(epoch, {"val_loss": loss}, model))
        if reasons[-1]:
            break
    assert reasons[:-1] == [None] * 4
    assert reasons[-1] == "no val_loss below 3 (epoch 2) for 3 epochs"
    assert stopping.training_ended(model) == 2
    assert model.weight.item() == 2


def test_goes_on_from_its_state():
    first, model = EarlyStopping(patience=2), nn.Linear(1, 1)
    first.epoch_ended(1, {"val_loss": 1.0}, model)
    second = EarlyStopping(patience=2)
    second.load_state_dict(first.state_dict())
    assert second.epoch_ended(2, {"val_loss": 2.0}, model) is None
    assert second.epoch_ended(3, {"val_loss": 2.0}, model)


@pytest.mark.parametrize(("patience", "message"), [(0, "must be >= 1 epoch"), (20, "must be < stage.epochs=20 to act")])
def test_out_of_range_is_an_error(patience, message):
    with pytest.raises(ConfigError, match=f"regularizer.early_stopping.patience {message}"):
        EarlyStopping(patience=patience).training_began(20)


def test_a_stopped_run_returns_the_restored_epochs_objective(run_trial, tmp_path):
    setting = (
        "data=wine",
        "regularizer=[early_stopping]",
        "regularizer.early_stopping.patience=2",
        "optimizer.lr=0.1",
    )
    value = run_trial(tmp_path, *setting, "stage.epochs=100")
    losses = [event["values"]["val_loss"] for event in read_attempt(tmp_path, 0).metrics]
    assert len(losses) < 100
    assert value == min(losses)
    assert len(losses) - 2 == 1 + losses.index(min(losses))
    assert run_trial(tmp_path, *setting, "stage.epochs=100") == value  # finished: nothing is trained again
    assert read_attempt(tmp_path, 1).metrics == []
    held = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert held["state"]["stopped"].startswith("early_stopping: no val_loss below")
