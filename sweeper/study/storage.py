"""Optuna's storage: a journal file in the study folder, or any storage that the config names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.study import Study, StudyDirection

from sweeper.errors import ConfigError, words
from sweeper.masked import masked
from sweeper.study.mend import contradiction, trim_journal
from sweeper.study.patience import patient
from sweeper.study.settings import Settings
from sweeper.study.study_folder import JOURNAL, StudyFolder
from sweeper.study.view.terminal import say

SQLITE_BUSY_S = 60.0  # another's backup or dashboard may hold the file for longer than SQLite's 5 s


class _LockedByFolder(BaseJournalFileLock):
    """The folder's lock already keeps other writers out; one that outlives a kill would stall the next start."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def open_study(settings: Settings, folder: StudyFolder | None, sampler: BaseSampler, pruner: BasePruner) -> Study:
    """Open the study, or found it; ConfigError if the storage can't be read or is another study's.

    A journal of ours that is corrupted, or says other than the trials' folders, makes way for a new one.
    """
    if folder is None:
        return _open(settings, None, sampler, pruner)
    trim_journal(folder)
    try:
        study = _open(settings, folder, sampler, pruner)
        trouble = contradiction(study, folder)
    except ConfigError as error:
        if isinstance(error.__cause__, OSError | None):  # the disk refuses, or another study was asked for
            raise
        trouble = f"{type(error.__cause__).__name__}: {words(error.__cause__)[:200]}"
    if trouble is None:
        return study
    aside = folder.set_aside(JOURNAL)
    say(f"{JOURNAL} is corrupted ({trouble}): kept as {aside}, and made anew from the trials' folders")
    return _open(settings, folder, sampler, pruner)


def _open(settings: Settings, folder: StudyFolder | None, sampler: BaseSampler, pruner: BasePruner) -> Study:
    if folder is not None:
        name: str | None = settings.study_name or folder.path.name
        shown = path = str(folder.path / JOURNAL)
    else:
        name, shown = settings.study_name, masked(str(settings.storage))
    try:
        storage: Any = _given(settings.storage)
        if folder is not None:
            storage = optuna.storages.JournalStorage(JournalFileBackend(path, lock_obj=_LockedByFolder()))
            names = [known.study_name for known in storage.get_all_studies()]
            if names and name not in names:  # the folder was renamed, or is a copy
                name = names[-1]
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=sampler,
            pruner=pruner,
            directions=[StudyDirection[d.upper()] for d in settings.direction],
            load_if_exists=True,
        )
    except Exception as error:
        if isinstance(error, ImportError):
            raise ConfigError(_lacking(error, shown)) from error
        reason = masked(words(error)[:300])
        reason += "; its folder must be there" if "unable to open database file" in reason else ""
        raise ConfigError(
            f"hydra.sweeper.storage must be an Optuna storage that opens, got {shown}: {type(error).__name__}: "
            f"{reason}; name one such as sqlite:///study.db, or leave it null for a journal in the sweep's folder"
        ) from error
    if folder is None and not str(getattr(storage, "url", storage)).startswith("sqlite"):
        patient(study._storage._backend if isinstance(study._storage, _CachedStorage) else study._storage)
    wanted = [d.upper() for d in settings.direction]
    if [d.name for d in study.directions] != wanted:
        raise ConfigError(
            f"hydra.sweeper.direction must be {[d.name.lower() for d in study.directions]} as study "
            f"{study.study_name!r} in {shown} has it, got {list(settings.direction)}; give another study_name"
        )
    return study


def _lacking(error: ImportError, shown: str) -> str:
    """Optuna names the missing driver in the error that its own is from."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, ImportError) and cause.name):
        cause = cause.__cause__ or cause.__context__
    module = str(getattr(cause, "name", None) or "its driver")
    package = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary"}.get(module, module)
    return f"hydra.sweeper.storage={shown} needs {module}, not installed here; pip install {package}"


def _given(storage: Any) -> Any:
    if isinstance(storage, Mapping):
        from hydra.utils import instantiate

        return instantiate(dict(storage))
    if str(storage).startswith("sqlite") and "timeout=" not in storage:
        patience = {"connect_args": {"timeout": SQLITE_BUSY_S}}
        return optuna.storages.RDBStorage(storage, engine_kwargs=patience)
    return storage
