import pytest
import torch

from sweeper.errors import ConfigError
from sweeper.trial.regularizers.label_smoothing import LabelSmoothing
from sweeper.trial.tasks import Classification, Regression


@pytest.mark.parametrize("smoothing", [0.01, 0.1, 0.9])
def test_is_torchs_smoothed_cross_entropy(smoothing):
    outputs, targets = torch.randn(50, 4), torch.randint(0, 4, (50,))
    task = Classification(classes=4)
    ours = LabelSmoothing(smoothing=smoothing).change_loss(task.losses, task)(outputs, targets).mean()
    torch.testing.assert_close(ours, torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(outputs, targets))


def test_regression_has_no_labels():
    task = Regression()
    with pytest.raises(ConfigError, match=r"regularizer.label_smoothing needs classes, got regression"):
        LabelSmoothing(smoothing=0.1).change_loss(task.losses, task)


@pytest.mark.parametrize("smoothing", [0, 1, float("nan")])
def test_out_of_range_is_an_error(smoothing):
    with pytest.raises(ConfigError, match=r"regularizer.label_smoothing.smoothing must be > 0 and < 1, got"):
        LabelSmoothing(smoothing=smoothing)
