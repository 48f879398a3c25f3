"""What running trials have measured, for Optuna's pruner to judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial

from sweeper import folder as record
from sweeper.errors import ConfigError, nearest
from sweeper.study.search.ask import Asker
from sweeper.study.view.terminal import say


class Pruning:
    """Tells a pruner of the metric ``monitor``, the only one if None; without a ``pruner`` nothing."""

    def __init__(self, pruner: Mapping[str, Any] | None, monitor: str | None, asker: Asker) -> None:
        self.pruner = pruner
        self.monitor = monitor
        self.asker = asker
        self._checked = False

    def report(self, number: int, events: Iterable[dict[str, Any]]) -> Trial | None:
        """Tell the pruner what a trial has measured; None where it watches nothing of that."""
        trial = None
        for event in events if self.pruner is not None else ():
            value = self._monitored(event["values"])
            if value is not None:
                trial = trial or self.asker.optuna_trial(number)
                with suppress(UpdateFinishedTrialError):  # by another who shares the storage
                    trial.report(value, event["step"])
        return trial

    def _monitored(self, values: dict[str, Any]) -> float | None:
        name = self.monitor
        if name is None and len(values) == 1:
            name = next(iter(values))
        if name is None:
            raise ConfigError(
                "hydra.sweeper.monitor must name the metric that the pruner watches, got null while trials report "
                f"{', '.join(values)}; try hydra.sweeper.monitor={next(iter(values))}"
            )
        return values.get(name)

    def check_monitor(self, number: int, path: Path) -> None:
        """Say, at the first trial that completes, that the pruner watches what is not reported."""
        if self._checked or self.pruner is None:
            return
        self._checked = True
        names = {name for event in measured(path) for name in event["values"]}
        if not names:
            say(f"nothing is pruned: trial {number:04d} reported nothing; call sweeper.report(step=…, …) in the app")
        elif self.monitor is not None and self.monitor not in names:
            known = ", ".join(sorted(names))
            say(
                "nothing is pruned: hydra.sweeper.monitor must name a metric that trials report, got "
                f"{self.monitor}{nearest(self.monitor, names)}; trial {number:04d} reported {known}"
            )


def measured(folder: Path) -> Iterator[dict[str, Any]]:
    """The metrics events of all attempts at a trial."""
    for number in record.attempts(folder):
        yield from record.read_attempt(folder, number).metrics
