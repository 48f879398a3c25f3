"""A PyTorch Lightning callback that reports what a module logs, so that sweeps have curves and pruners work.

In code ``Trainer(callbacks=[sweeper.lightning.Report()])``, in a config ``{_target_: sweeper.lightning.Report}``.
Needs ``lightning`` or ``pytorch-lightning``, whichever the app uses.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sweeper.errors import ConfigError, nearest
from sweeper.trial.ending import Pruned
from sweeper.trial.report import report

if TYPE_CHECKING:
    Callback: Any = object
elif "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning import Callback
else:
    try:
        from lightning.pytorch import Callback
    except ModuleNotFoundError:
        try:
            from pytorch_lightning import Callback
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "sweeper.lightning needs a package that is missing: pip install lightning"
            ) from None


class Report(Callback):  # type: ignore[misc]
    """Reports after each validation and each training epoch; the step is the optimizer's.

    ``metrics`` names the logged ones to report, all if None. Raises :class:`sweeper.Pruned` in every process of the
    trainer when the study says stop, which passes ``trainer.fit``; ConfigError for a name that is never logged.
    """

    def __init__(self, *, metrics: Sequence[str] | None = None) -> None:
        self.metrics = None if metrics is None else tuple(metrics)
        self._validated: set[str] = set()  # names that validation gives: between two, their values are old
        self._trained: set[str] = set()  # names that an epoch's end gives, likewise
        self._found: set[str] = set()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._validated |= self._report(trainer, self._trained)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._trained |= self._report(trainer, self._validated)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        missing = [name for name in self.metrics or () if name not in self._found]
        if missing:
            logged = trainer.callback_metrics
            raise ConfigError(
                f"sweeper.lightning.Report(metrics=…) must name metrics that the module logs, got {missing[0]!r}"
                f"{nearest(missing[0], logged)}; it logs {', '.join(sorted(logged)) or 'none'}"
            )

    def _report(self, trainer: Any, old: set[str]) -> set[str]:
        logged = trainer.callback_metrics
        names = {name for name in logged if name not in old and (self.metrics is None or name in self.metrics)}
        self._found |= names
        stop = None
        if trainer.is_global_zero and names:
            try:
                report(step=trainer.global_step, **{name: float(logged[name]) for name in sorted(names)})
            except Pruned as pruned:
                stop = str(pruned)
        stop = trainer.strategy.broadcast(stop)
        if stop is not None:
            raise Pruned(stop)
        return names
