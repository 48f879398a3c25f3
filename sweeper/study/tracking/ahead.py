"""An app that uses MLflow itself: its database is there before its first trials make it, all at once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeper.study.view.terminal import say

MAKE = "import sys; from sweeper.study.tracking.sqlite_store import make_ahead; make_ahead(sys.argv[1])"


def make_apps_database() -> None:
    """Where the app has imported MLflow and its runs go to a SQLite file to be, let one process make that."""
    mlflow: Any = sys.modules.get("mlflow")
    if mlflow is None:
        return
    with suppress(Exception):  # what is wrong with it the app finds out as it would without us
        from sqlalchemy import make_url

        url = make_url(str(mlflow.get_tracking_uri()))  # MLflow quotes what is odd in a path
        database = url.database if url.get_backend_name() == "sqlite" else None
        if database and database != ":memory:" and not Path(database).exists():
            say(f"making {database}, which the app's trials would make all at once")
            subprocess.run([sys.executable, "-c", MAKE, database], check=False, capture_output=True, timeout=120)
