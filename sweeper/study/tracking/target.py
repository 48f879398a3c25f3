"""Where a study is tracked: which MLflow store, which experiment in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import ConfigError
from sweeper.masked import HIDDEN
from sweeper.study.settings import check_uri
from sweeper.study.tracking.record import Study


@dataclass(frozen=True)
class Target:
    """Where a study is tracked; ``artifacts`` is set where we, not a server, say where files go."""

    uri: str
    experiment: str  # its name, unless the environment alone says which by its id
    artifacts: str | None = None
    database: Path | None = None
    experiment_id: str | None = None


def find_target(study: Study, uri: str | None, experiment: str | None, env: Mapping[str, str]) -> Target:
    """The store (argument > study > environment > ``mlflow.db`` in the project) and the experiment in it."""
    named = experiment or study.experiment or env.get("MLFLOW_EXPERIMENT_NAME")
    name, by_id = named or study.app, None if named else env.get("MLFLOW_EXPERIMENT_ID") or None
    uri = uri or study.uri or env.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    check_uri(uri)
    if HIDDEN in uri:
        raise ConfigError(f"tracking.uri must have its password, which no file keeps, got {uri}; give --tracking-uri")
    if not uri.startswith("sqlite"):
        return Target(uri, name, experiment_id=by_id)
    from sqlalchemy import make_url

    database = study.project.absolute() / (make_url(uri).database or "")
    return Target(sqlite_uri(database), name, (database.parent / "mlruns").as_uri(), database, by_id)


def sqlite_uri(path: Path) -> str:
    """The address of a SQLite file, with what SQLAlchemy would read as a quoted character quoted."""
    from sqlalchemy import make_url

    uri = f"sqlite:///{path}"
    return uri if make_url(uri).database == str(path) else uri.replace("%", "%25")
