"""Label smoothing for classification."""

from __future__ import annotations

from torch import Tensor

from sweeper.errors import ConfigError
from sweeper.trial.tasks import Classification, Loss, Task


class LabelSmoothing:
    """Spreads a share ``smoothing`` of each target evenly over the classes (Szegedy et al. 2016).

    Only the loss that is minimised changes: ``train_loss`` is then the smoothed one, ``val_loss`` is not.
    """

    def __init__(self, *, smoothing: float) -> None:
        if not 0 < smoothing < 1:
            raise ConfigError(
                f"regularizer.label_smoothing.smoothing must be > 0 and < 1, got {smoothing}; "
                "try regularizer.label_smoothing.smoothing=0.1 or leave label_smoothing out"
            )
        self.smoothing = smoothing

    def change_loss(self, loss: Loss, task: Task) -> Loss:
        """``(1 - smoothing) * loss + smoothing * (cross-entropy to the uniform distribution)``."""
        if not isinstance(task, Classification):
            raise ConfigError(
                "regularizer.label_smoothing needs classes, got regression data; leave label_smoothing out"
            )

        def smoothed(outputs: Tensor, targets: Tensor) -> Tensor:
            uniform = -outputs.log_softmax(1).mean(1)
            return (1 - self.smoothing) * loss(outputs, targets) + self.smoothing * uniform

        return smoothed
