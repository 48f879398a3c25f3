"""What ends a sweep before its last trial, in one line."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna

from sweeper.errors import ConfigError, words
from sweeper.masked import masked

OPTUNA = Path(optuna.__file__).parent


class SweepStopped(Exception):
    """The sweep ends before its last trial; the message says why."""

    def __init__(self, reason: str, *, state: str, exit_code: int = 1) -> None:
        super().__init__(reason)
        self.state = state
        self.exit_code = exit_code


@contextmanager
def in_optuna(what: str) -> Iterator[None]:
    """What a sampler, a pruner or the storage raises ends the sweep in one line; what code of ours does, doesn't."""
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        if isinstance(error, ConfigError) or not any(Path(f.filename).is_relative_to(OPTUNA) for f in frames):
            raise
        if os.environ.get("HYDRA_FULL_ERROR"):
            traceback.print_exc()
        cause: BaseException = error
        if isinstance(error, optuna.exceptions.StorageInternalError):
            what, cause = "hydra.sweeper.storage", error.__cause__ or error
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}, in {frames[-1].name}"
        raise SweepStopped(
            f"{what} raised {type(cause).__name__}: {masked(words(cause))[:300]} ({place}); HYDRA_FULL_ERROR=1 shows "
            "more, the same command goes on",
            state="FAIL",
        ) from error
