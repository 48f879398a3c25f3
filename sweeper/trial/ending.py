"""How a trial's task function ends: what it returned or raised, as a state, values and a reason."""

from __future__ import annotations

import math
import traceback
from pathlib import Path
from typing import Any

from sweeper.errors import words
from sweeper.folder import FAIL, INTERRUPTED, PRUNED
from sweeper.masked import masked

_interrupted = False


class Pruned(Exception):
    """Raised by :func:`report` when the study has asked this trial to stop; let it pass."""


class Superseded(KeyboardInterrupt):
    """Raised by :func:`report` when a later attempt at this trial has begun, as after a node lost touch."""


class DiskFull(BaseException):
    """Leaves a trial's process without an end on record, as a death does: its launcher has it attempted again."""


class TrialExit(RuntimeError):
    """A task function called ``sys.exit``; raised in its place so that the other trials go on."""


def on_interrupt(number: int, frame: object) -> None:
    """The SIGINT handler of a trial's process: however the trial ends from here on, it was stopped.

    KeyboardInterrupt alone does not tell: an import or a library may turn it into another error, and a trainer
    may catch it and return what it has, half trained.
    """
    note_interrupt()
    raise KeyboardInterrupt


def note_interrupt() -> None:
    """What runs in this process has been asked to stop."""
    global _interrupted
    _interrupted = True


def interrupted() -> bool:
    """Whether what runs in this process was asked to stop."""
    return _interrupted


def describe(error: BaseException) -> tuple[str, str]:
    """The state and the one-line reason that an exception means for its trial."""
    if isinstance(error, Pruned) or _of_optuna(error):
        return PRUNED, words(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, words(error) or "interrupted"
    if _interrupted:
        return INTERRUPTED, f"interrupted, and ended with {type(error).__name__}"
    if isinstance(error, SystemExit):
        return FAIL, f"called sys.exit({error.code!r})"
    message = masked(words(error))[:500]
    name = type(error).__name__
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or "can't allocate memory" in message:
        return FAIL, f"out of memory: {name}: {message}" if message else f"out of memory: {name}"
    return FAIL, f"{name}: {message}" if message else f"{name}{_place(error)}"


def _of_optuna(error: BaseException) -> bool:
    """Whether it is Optuna's own word for pruned, of an app that asks a study by itself; not imported here."""
    kinds = ((kind.__module__, kind.__name__) for kind in type(error).__mro__)
    return ("optuna.exceptions", "TrialPruned") in kinds


def _place(error: BaseException) -> str:
    """Where an exception without a message was raised: what a bare ``assert`` has to say."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""


def objective_values(returned: Any, objectives: int | None) -> tuple[list[float] | None, str | None]:
    """The objectives in what a task function returned, and why they can't be used (None if they can)."""
    if objectives is None and returned is None:
        return None, None
    several = isinstance(returned, (list, tuple)) or (objectives or 1) > 1
    try:
        values = [float(v) for v in returned] if several else [float(returned)]
    except (TypeError, ValueError, RuntimeError):
        if objectives is None:
            return None, None
        want = "a number" if objectives == 1 else f"{objectives} numbers"
        return None, f"the task function must return {want}, got {str(returned)[:200]!r}"
    if any(math.isnan(v) for v in values):
        return values, "the objective is nan"
    if objectives is not None and len(values) != objectives:
        return (
            values,
            f"the task function must return {objectives} number(s), as hydra.sweeper.direction says, got {len(values)}",
        )
    return values, None
