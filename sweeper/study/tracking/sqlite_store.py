"""MLflow's SQLite database: made once, by one process, and left alone while somebody else makes it."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sweeper.study.tracking.lock import locked
from sweeper.study.tracking.target import sqlite_uri


def import_lean(*uris: str | None) -> None:
    """Make MLflow import in 2.2 s, not 2.9, in a process that only relays to a local database.

    It does without numpy and pandas (its slim build has neither). A server's plugins may want them, so the
    first URI given must be a SQLite one, or none.
    """
    if next((uri for uri in uris if uri), "sqlite:").startswith("sqlite:"):
        for name in ("numpy", "pandas"):
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]


@contextmanager
def made(database: Path) -> Iterator[None]:
    """It is there, up to date or for the first client to bring up to date, which no other opens meanwhile."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with _alone(database):
        if not database.exists():
            _make(database)
        _wait_for_migrations(database)
        yield


def make_ahead(path: str) -> None:
    """Make a SQLite store before anybody opens it, if nobody has."""
    import_lean()
    database = Path(path).absolute()
    database.parent.mkdir(parents=True, exist_ok=True)
    with _alone(database):
        if not database.exists():
            _make(database)


def _alone(database: Path) -> AbstractContextManager[None]:
    return locked(database.with_name(f"{database.name}.lock"))


def _make(database: Path) -> None:
    """Made for seconds by forty migrations, which break if two run at once or one is killed."""
    from mlflow.tracking import MlflowClient

    beside = database.with_name(f".{database.name}.new")
    beside.unlink(missing_ok=True)
    MlflowClient(sqlite_uri(beside))._tracking_client.store.engine.dispose()
    with suppress(FileExistsError):  # a trial, which knows no lock, was faster
        os.link(beside, database)
    beside.unlink()


def _wait_for_migrations(database: Path) -> None:
    """An app that logs to MLflow itself may be making the database: two at once leave it unusable.

    What has not changed for three seconds is an older version's, for us to bring up to date.
    """
    from mlflow.store.db import utils

    known: Any = utils
    latest, seen, since = known._get_latest_schema_revision(), "", time.monotonic()
    while (found := _revision(database)) != latest:
        if found != seen:
            seen, since = found, time.monotonic()
        elif time.monotonic() - since > 3:
            return
        time.sleep(0.05)


def _revision(database: Path) -> str:
    with (
        suppress(sqlite3.Error, TypeError),
        closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection,
    ):
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    return "none"
