"""Hydra's JobReturns on their way from a trial's process to a sweeper that called ``launch``."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from sweeper.errors import words
from sweeper.folder import read_attempt
from sweeper.study.launchers import Job
from sweeper.trial import recorded


class TrialTraceback(Exception):
    """A traceback of a trial's process, as text: the cause of the exception that was raised there."""


def hand_back(ret: JobReturn, path: str) -> None:
    """Write a JobReturn whole if it pickles, and the traceback of its exception, which a pickle loses."""
    import cloudpickle

    returned = ret._return_value
    text = _traceback(returned) if isinstance(returned, BaseException) else None
    try:
        data = cloudpickle.dumps(ret)
    except Exception as error:
        ret._return_value = RuntimeError(f"the task function's return value can't be pickled: {error}")
        data = cloudpickle.dumps(ret)
    beside = Path(f"{path}.part")
    beside.write_bytes(pickle.dumps(text) + data)
    beside.rename(path)


def taken(job: Job, path: Path, lost: str | None) -> JobReturn:
    """What :func:`hand_back` wrote; a failed JobReturn with the recorded reason, else ``lost``, where nothing can be
    read: an exception whose class takes other arguments than it passes on does not unpickle."""
    ret, text, why = None, None, ""
    if path.exists():
        with open(path, "rb") as file:
            text = pickle.load(file)
            try:
                ret = pickle.load(file)
            except Exception as error:
                why = f" (its return value can't be unpickled: {type(error).__name__}: {words(error)})"
    if ret is None:
        ret = JobReturn(overrides=list(job.overrides), status=JobStatus.FAILED)
        end = read_attempt(job.folder, job.attempt).end
        reason = lost if end is None or end.reason is None else end.reason
        ret.return_value = RuntimeError(f"job {job.number}: {reason or 'ended'}{why}; see {job.folder}")
    if text is not None and isinstance(ret._return_value, BaseException):
        ret._return_value.__cause__ = TrialTraceback(text.rstrip())
    return ret


def _traceback(error: BaseException) -> str:
    """From the task function's own frame on."""
    trace = error.__traceback__
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(trace)]
    for _ in range(len(files) - files[::-1].index(recorded.__file__) if recorded.__file__ in files else 0):
        trace = None if trace is None else trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))
