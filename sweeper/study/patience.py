"""A storage on a server that is away for a while: the sweep waits for it instead of ending."""

from __future__ import annotations

import functools
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage

from sweeper.errors import words
from sweeper.masked import masked
from sweeper.study.view.terminal import say

PAUSES_S = (0.0, 1.0, 2.0, 5.0)  # the last one until it is back; a connection that was idle too long is there at once
# of any driver's, of Redis', and what SQLAlchemy says where Optuna went on after the first
AWAY = ("OperationalError", "InterfaceError", "PendingRollbackError", "ConnectionError", "TimeoutError")


def patient(storage: BaseStorage) -> BaseStorage:
    """The same storage, each of whose methods is tried again until its server answers, or Ctrl-C."""
    waiting = _Waiting()
    for name, method in inspect.getmembers(storage, inspect.ismethod):
        if not name.startswith("__"):
            setattr(storage, name, waiting.tried_again(method))
    return storage


class _Waiting:
    """What the methods of one storage know together: that one of them is at work, or that a person has given it up."""

    def __init__(self) -> None:
        self._given_up = False
        self._at_work = threading.local()  # what one calls within its transaction fails with it

    def tried_again(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def wait(*args: Any, **kwargs: Any) -> Any:
            if getattr(self._at_work, "now", False):
                return method(*args, **kwargs)
            self._at_work.now = True
            try:
                return self._until_there(lambda: method(*args, **kwargs))
            except KeyboardInterrupt:
                self._given_up = True
                raise
            finally:
                self._at_work.now = False

        return wait

    def _until_there(self, call: Callable[[], Any]) -> Any:
        tries, since = 0, 0.0
        while True:
            try:
                result = call()
            except UpdateFinishedTrialError:
                if not tries:
                    raise
                result = True  # the answer was lost, not what was said
            except Exception as error:
                if self._given_up or not _is_away(error):
                    raise
                since = since or time.monotonic()
                if tries == 1:
                    say(
                        f"hydra.sweeper.storage does not answer ({_reason(error)}); running trials go on, new ones "
                        "wait for it; Ctrl-C stops, and the same command goes on"
                    )
                time.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
                tries += 1
                continue
            if tries > 1:
                say(f"hydra.sweeper.storage answers again, after {time.monotonic() - since:.0f} s")
            return result


def _is_away(error: BaseException | None) -> bool:
    if isinstance(error, StorageInternalError):
        error = error.__cause__
    return error is not None and any(kind.__name__ in AWAY for kind in type(error).__mro__)


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    text = words(getattr(cause, "orig", None) or cause)
    return f"{type(cause).__name__}: {masked(text)[:200]}"
