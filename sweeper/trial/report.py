"""What a task function says while it runs: ``sweeper.report``, ``sweeper.artifact`` and what is tagged.

Under a sweep :class:`sweeper.trial.recorded.Recorded` opens the attempt; outside one the first ``report`` opens a
record in Hydra's output folder, and the end of the process ends it. A process that a trial starts, and that has no
Hydra of its own, adds to the trial's.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from sweeper.folder import COMPLETE, Attempt
from sweeper.trial.ending import Pruned, Superseded, note_interrupt
from sweeper.trial.silent import Silent
from sweeper.trial.start_event import start_fields

RANK = "SWEEPER_RANK"  # of this process in a trial of several; set by the launcher that starts them
RECORD = "SWEEPER_RECORD"  # number and folder of the attempt that runs here, for the processes that it starts

_current: Attempt | None = None


def report(*, step: int, **metrics: float) -> None:
    """Record metrics at ``step`` (any whole count that grows: epoch, update …); units belong in the names.

    Values are numbers or anything that ``float`` takes (a 0-d tensor, a numpy scalar).
    Raises :class:`Pruned` if the study has asked this trial to stop, TypeError for what is no number.
    """
    attempt = _current or _open_alone()
    values = {}
    for name, value in metrics.items():
        try:
            values[name] = float(value)
        except (TypeError, ValueError, OverflowError):
            raise TypeError(f"report({name}=…) must be a number, got {value!r}") from None
    attempt.metrics(_whole(step), values)
    reason = attempt.stop_reason()
    if reason is not None:
        attempt.heed_stop()
        raise Pruned(reason)
    heed_successor(attempt)


def heed_successor(attempt: Attempt) -> None:
    """Raise :class:`Superseded` once a later attempt has begun: its end shall count."""
    if attempt.superseded:
        note_interrupt()  # Lightning turns a KeyboardInterrupt into sys.exit(1)
        raise Superseded(f"attempt {attempt.number + 1} took its place")


def _whole(step: Any) -> int:
    """A step as MLflow and Optuna keep it: a fraction cut off would put two reports on one step."""
    with suppress(TypeError, ValueError, OverflowError):
        whole = int(step)
        if whole == step and -(2**63) <= whole < 2**63:
            return whole
    raise TypeError(f"report(step=…) must be a whole number of 64 bits, got {step!r}; count epochs, batches or updates")


def artifact(path: str | os.PathLike[str]) -> None:
    """Name a file inside the trial's folder that belongs to its record (MLflow gets a copy)."""
    attempt = _current or _open_alone()
    attempt.artifact(os.path.relpath(path, attempt.folder))


def tag(**tags: str) -> None:
    """Say in words what the trial is or found; MLflow has them as tags."""
    (_current or _open_alone()).tags({name: str(value) for name, value in tags.items()})


def current_attempt() -> Attempt | None:
    """The attempt being recorded in this process, if any."""
    return _current


@contextmanager
def recording(attempt: Attempt) -> Iterator[None]:
    """What is reported in this process, and in those that it starts, belongs to ``attempt``."""
    global _current
    outer, _current = _current, attempt
    before, os.environ[RECORD] = os.environ.get(RECORD), f"{attempt.number} {attempt.folder.absolute()}"
    try:
        yield
    finally:
        _current = outer
        if before is None:
            os.environ.pop(RECORD, None)  # the app may have cleared it
        else:
            os.environ[RECORD] = before


def attempt_here(folder: Path, number: int | None, *, joins: bool = False) -> Attempt:
    """The record of an attempt as this process keeps it: of a trial's several processes rank 0 does."""
    rank = int(os.environ.get(RANK) or 0)
    if rank:
        assert number is not None
        return Silent(folder, number, rank)
    return Attempt(folder, number, joins=joins)


def _open_alone() -> Attempt:
    global _current
    number, _, named = os.environ.get(RECORD, "").partition(" ")
    if named and not HydraConfig.initialized():
        _current = attempt = attempt_here(Path(named), int(number), joins=True)
        return attempt
    folder = Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else Path.cwd()
    _current = attempt = Attempt(folder)
    known = start_fields(OmegaConf.create()) if HydraConfig.initialized() else {"number": None, "config": {}}
    attempt.start(**known, cwd=os.getcwd())
    atexit.register(_end_alone, attempt)
    return attempt


def _end_alone(attempt: Attempt) -> None:
    if not attempt.ended:
        attempt.end(COMPLETE)
