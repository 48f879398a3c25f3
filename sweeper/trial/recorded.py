"""A task function that keeps its trial's record: the attempt's start, its end, and its traceback.

Launchers wrap the task function in it, and a run outside a sweep does too.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import update_wrapper
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sweeper.folder import COMPLETE, FAIL, INTERRUPTED, PRUNED, Attempt, disk_full, output_path, rank_failed, replace
from sweeper.masked import masked
from sweeper.trial.ending import DiskFull, TrialExit, describe, interrupted, note_interrupt, objective_values
from sweeper.trial.report import RANK, attempt_here, heed_successor, recording
from sweeper.trial.start_event import start_fields

RANKS_WAIT_S = 2.0  # for word of a process that died, where a broken connection is all that this one knows


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
        # Hydra finds the app's file through it, and callbacks its name
        update_wrapper(self, task_function, ("__module__", "__name__", "__qualname__", "__doc__"), ())

    def __call__(self, cfg: DictConfig) -> Any:
        hydra_cfg = HydraConfig.get()
        attempt = attempt_here(Path(hydra_cfg.runtime.output_dir), self.attempt)
        here = None
        if self.attempt is None:  # launchers of ours number attempts, mask what they write, and leave folders behind
            _mask_config(hydra_cfg)
            here = os.getcwd()
        try:
            with recording(attempt):
                return self._run(cfg, attempt)
        finally:
            if here is not None:  # the next trial of this process may have a relative folder, and so may the sweep
                with suppress(OSError):
                    os.chdir(here)

    def _run(self, cfg: DictConfig, attempt: Attempt) -> Any:
        try:
            attempt.start(**start_fields(cfg), **self.facts)
            returned = self.task_function(cfg)
            heed_successor(attempt)
            if interrupted():
                attempt.end(INTERRUPTED, None, "interrupted")
                return returned
            values, reason = objective_values(returned, self.objectives)
            attempt.end(COMPLETE if reason is None else FAIL, values, reason)
            return returned
        except BaseException as error:
            if attempt.superseded:
                note_interrupt()
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
