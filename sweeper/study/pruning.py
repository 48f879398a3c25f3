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
        self._checked = self._said = False
        self._names: dict[str, None] = {}  # of the metrics that were reported, in order

    def report(self, number: int, events: Iterable[dict[str, Any]]) -> Trial | None:
        """Tell the pruner what a trial has measured; None where it watches nothing of that."""
        trial = None
        for event in events if self.pruner is not None else ():
            value, step = self._monitored(event["values"]), event["step"]
            if value is None or step < 0:  # before training: Optuna counts from 0
                continue
            trial = trial or self.asker.optuna_trial(number)
            known = trial._cached_frozen_trial.intermediate_values
            if step in known:
                if str(known[step]) != str(value):  # else it is read anew, as by a later orchestrator
                    self._say_first_counts(number, step)
                continue
            with suppress(UpdateFinishedTrialError):  # by another who shares the storage
                trial.report(value, step)
        return trial

    def _say_first_counts(self, number: int, step: int) -> None:
        if not self._said:
            self._said = True
            say(
                f"trial {number:04d} has reported step {step} again, by another attempt or because the app counts "
                "anew: the pruner judges the first value of each step"
            )

    def _monitored(self, values: dict[str, Any]) -> float | None:
        name = self.monitor
        if name is None:
            self._names |= dict.fromkeys(values)
            if len(self._names) > 1:
                raise ConfigError(
                    "hydra.sweeper.monitor must name the metric that the pruner watches, got null while trials report "
                    f"{', '.join(self._names)}; try hydra.sweeper.monitor={next(iter(self._names))}"
                )
            name = next(iter(self._names), "")
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
