"""What a task function says while it runs: ``sweeper.report`` and the end of its record.

Under a sweep the launcher's wrapper (:class:`Recorded`) opens the attempt; outside one the first
``report`` opens a record in Hydra's output folder, and the end of the process ends it. A process that a trial
starts, and that has no Hydra of its own, adds to the trial's.
"""

from __future__ import annotations

import atexit
import math
import os
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from sweeper.configs import value_in
from sweeper.errors import words
from sweeper.folder import (
    COMPLETE,
    FAIL,
    INTERRUPTED,
    PRUNED,
    Attempt,
    disk_full,
    output_path,
    rank_failed,
    replace,
)
from sweeper.masked import masked, masked_in
from sweeper.space_node import is_space
from sweeper.trial.silent import Silent

RANK = "SWEEPER_RANK"  # of this process in a trial of several; set by the launcher that starts them
RECORD = "SWEEPER_RECORD"  # number and folder of the attempt that runs here, for the processes that it starts
RANKS_WAIT_S = 2.0  # for word of a process that died, where a broken connection is all that this one knows

_current: Attempt | None = None
_interrupted = False


class Pruned(Exception):
    """Raised by :func:`report` when the study has asked this trial to stop; let it pass."""


class Superseded(KeyboardInterrupt):
    """Raised by :func:`report` when a later attempt at this trial has begun, as after a node lost touch."""


class DiskFull(BaseException):
    """Leaves a trial's process without an end on record, as a death does: its launcher has it attempted again."""


class TrialExit(RuntimeError):
    """A task function called ``sys.exit``; raised in its place so that the other trials go on."""


def report(*, step: int, **metrics: float) -> None:
    """Record metrics at ``step`` (any whole count that grows: epoch, update …); units belong in the names.

    Values are numbers or anything that ``float`` takes (a 0-d tensor, a numpy scalar).
    Raises :class:`Pruned` if the study has asked this trial to stop, TypeError for what is no number.
    """
    global _interrupted
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
    if attempt.superseded:
        _interrupted = True  # Lightning turns a KeyboardInterrupt into sys.exit(1)
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


def on_interrupt(number: int, frame: object) -> None:
    """The SIGINT handler of a trial's process: however the trial ends from here on, it was stopped.

    KeyboardInterrupt alone does not tell: an import or a library may turn it into another error, and a trainer
    may catch it and return what it has, half trained.
    """
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


def interrupted() -> bool:
    """Whether what runs in this process was asked to stop."""
    return _interrupted


def current_attempt() -> Attempt | None:
    """The attempt being recorded in this process, if any."""
    return _current


def flatten(cfg: Any, prefix: str = "") -> dict[str, Any]:
    """A config as ``{'optimizer.lr': 3e-4, …}`` without its spaces, resolved where it can be; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, node in value_in(cfg).items():
        name = f"{prefix}{key}"
        value = value_in(node)
        if isinstance(value, str) and (value == "???" or "${" in value):
            if OmegaConf.is_missing(cfg, key):
                flat[name] = "???"
                continue
            try:
                value = node = cfg[key]
            except Exception:  # an interpolation that only resolves elsewhere: recorded as written
                flat[name] = value
                continue
        if key == "space" and is_space(node):
            continue
        if isinstance(node, DictConfig) and value is not None:
            flat.update(flatten(node, f"{name}."))
        elif isinstance(node, ListConfig) and value is not None:
            flat[name] = str(OmegaConf.to_container(node, resolve=False))
        else:
            flat[name] = value if isinstance(value, (int, float, bool, type(None))) else str(value)
    return flat


class Recorded:
    """A task function that keeps its record; picklable wherever the function itself is.

    ``objectives`` is how many numbers it must return, None where nobody reads them.
    ``attempt`` fixes the attempt's number; None takes the next free one. ``facts`` go into its start event.
    """

    def __init__(
        self,
        task_function: Callable[[DictConfig], Any],
        *,
        objectives: int | None,
        attempt: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.task_function = task_function
        self.facts = dict(facts or {})
        self.objectives = objectives
        self.attempt = attempt
        self.__wrapped__ = task_function  # Hydra finds the app's file through it

    def __call__(self, cfg: DictConfig) -> Any:
        global _current
        hydra_cfg = HydraConfig.get()
        attempt = self._open(Path(hydra_cfg.runtime.output_dir))
        if self.attempt is None:  # launchers of ours number attempts, and have masked what they wrote
            _mask_config(hydra_cfg)
        outer, _current = _current, attempt
        here = os.getcwd() if self.attempt is None else None
        before, os.environ[RECORD] = os.environ.get(RECORD), f"{attempt.number} {attempt.folder.absolute()}"
        try:
            attempt.start(**_start_fields(cfg), **self.facts)
            returned = self.task_function(cfg)
            if _interrupted:
                attempt.end(INTERRUPTED, None, "interrupted")
                return returned
            values, reason = objective_values(returned, self.objectives)
            attempt.end(COMPLETE if reason is None else FAIL, values, reason)
            return returned
        except BaseException as error:
            state, reason = describe(error)
            if state == FAIL and attempt.part_stopped():
                state, reason = PRUNED, attempt.stop_reason() or reason
            if state == FAIL and self.attempt is not None and disk_full(error, attempt.folder):
                raise DiskFull(reason) from error
            if not attempt.ended and not (state == FAIL and _another_failed(attempt, reason)):
                attempt.end(state, None, reason)
            if state != PRUNED and not isinstance(error, KeyboardInterrupt):
                _leave_traceback(attempt)
            if isinstance(error, SystemExit):
                raise TrialExit(reason) from error
            raise
        finally:
            _current = outer
            if here is not None:  # the next trial of this process may have a relative folder, and so may the sweep
                with suppress(OSError):
                    os.chdir(here)
            if before is None:
                os.environ.pop(RECORD, None)  # the app may have cleared it
            else:
                os.environ[RECORD] = before

    def _open(self, folder: Path) -> Attempt:
        rank = int(os.environ.get(RANK) or 0)
        if rank:
            assert self.attempt is not None
            return Silent(folder, self.attempt, rank)
        return Attempt(folder, self.attempt)


def _mask_config(hydra_cfg: Any) -> None:
    """Take the passwords of addresses out of what Hydra's own launchers have written of the config."""
    if hydra_cfg.output_subdir is None:
        return
    for path in Path(hydra_cfg.runtime.output_dir, hydra_cfg.output_subdir).glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if masked(text) != text:
            replace(path, masked(text))


def _another_failed(attempt: Attempt, reason: str) -> bool:
    """Whether another process of the trial failed, and otherwise than this one: the reaper then says how."""
    if os.environ.get(RANK) != "0":
        return False
    deadline = time.monotonic() + RANKS_WAIT_S
    while (failed := rank_failed(attempt.folder, attempt.number)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return failed is not None and not str(failed.reason).endswith(f": {reason}")


def _leave_traceback(attempt: Attempt) -> None:
    """Into the trial's own log: its stderr where a launcher redirects that, else a file beside the events."""
    path = output_path(attempt.folder, attempt.number)
    if path.exists():
        traceback.print_exc()
    else:
        path.write_text(traceback.format_exc(), encoding="utf-8", errors="replace")


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


def _start_fields(cfg: DictConfig) -> dict[str, Any]:
    hydra_cfg = HydraConfig.get()
    number = None if OmegaConf.is_missing(hydra_cfg.job, "num") else hydra_cfg.job.num
    return {
        "number": number,
        "job": hydra_cfg.job.name,
        "overrides": masked_in(OmegaConf.to_container(hydra_cfg.overrides.task)),
        "config": masked_in(flatten(cfg)),
        "slurm_job_id": _slurm_job(),
    }


def _slurm_job() -> str | None:
    """The job as ``squeue`` shows it: ``141_3`` in an array, whose SLURM_JOB_ID is another number."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else os.environ.get("SLURM_JOB_ID")


def _open_alone() -> Attempt:
    global _current
    number, _, named = os.environ.get(RECORD, "").partition(" ")
    if named and not HydraConfig.initialized():
        rank = int(os.environ.get(RANK) or 0)
        _current = attempt = (
            Silent(Path(named), int(number), rank) if rank else Attempt(Path(named), int(number), joins=True)
        )
        return attempt
    folder = Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else Path.cwd()
    _current = attempt = Attempt(folder)
    known = _start_fields(OmegaConf.create()) if HydraConfig.initialized() else {"number": None, "config": {}}
    attempt.start(**known, cwd=os.getcwd())
    atexit.register(_end_alone, attempt)
    return attempt


def _end_alone(attempt: Attempt) -> None:
    if not attempt.ended:
        attempt.end(COMPLETE)
