"""The MLflow store as the relay uses it: open it, find its runs, bring one to what it should hold."""

from __future__ import annotations

import getpass
import json
import logging
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sweeper.errors import ConfigError, words
from sweeper.masked import masked
from sweeper.study.tracking import whole_runs
from sweeper.study.tracking.runs import RELAYED, RUNNING, STUDY, TRIAL, Run
from sweeper.study.tracking.sqlite_store import made
from sweeper.study.tracking.stored import Stored
from sweeper.study.tracking.target import Target

MOST = {"Param": 100, "RunTag": 100, "Metric": 800}  # in a request; 1000 of all kinds
BYTES = 900_000  # of a request, which may have 1 MB
RUNS_PER_PAGE = 1000
AT_ONCE = 4  # runs on their way to a server

TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # or its pages are about language models

VIEW = "mlflow.sharedViewState."  # then the key that a link names
SERVED = "http://127.0.0.1:5000"  # by `mlflow ui`, if not told otherwise

# What the server says of a request that no repetition will make right.
REFUSED = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE"}

# Our own process's environment: fail soon and let the relay retry, which looks before it makes a run a second time;
# no usage data goes out on our account.
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def one_line(error: BaseException) -> str:
    """An error's message without its line ends and passwords."""
    return masked(words(error))[:500] or type(error).__name__


def is_refusal(error: Exception) -> bool:
    """Whether the same will happen again, however often it is tried: MLflow's no, or a malformed record."""
    malformed = isinstance(error, LookupError | TypeError | AttributeError | ArithmeticError)
    return malformed or getattr(error, "error_code", None) in REFUSED


class Store:
    """An open MLflow store and one experiment in it."""

    def __init__(self, target: Target) -> None:
        for key, value in QUIET.items():
            os.environ.setdefault(key, value)
        try:
            from mlflow.tracking import MlflowClient
        except ModuleNotFoundError as error:
            repair = "pip install mlflow, or tracking=null"
            raise ConfigError(f"tracking must have MLflow, got: {error}; {repair}") from None
        for name in ("mlflow", "alembic", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the relay reports what they would
        self.target = target
        with made(target.database) if target.database else nullcontext():
            self.client = MlflowClient(target.uri)
            self.experiment = self._experiment()
        self.experiment_id = str(self.experiment.experiment_id)
        # log_batch and update_run_info of the store itself: the client's versions first read the run back.
        self._store: Any = self.client._tracking_client.store
        self._takes_whole = target.database is not None and whole_runs.has_tables(self._store)

    def _experiment(self) -> Any:
        from mlflow.exceptions import MlflowException

        name = self.target.experiment
        if self.target.experiment_id is not None:
            return self._experiment_of_id(self.target.experiment_id)
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            try:
                self.client.create_experiment(name, self.target.artifacts, TRAINING)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another study was faster
                    raise
            experiment = self.client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage != "active":
            raise ConfigError(
                f"tracking.experiment must not be deleted, got {name!r}; "
                "choose another or run `mlflow experiments restore`"
            )
        return experiment

    def _experiment_of_id(self, asked: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_experiment(asked)
        except MlflowException as error:
            if not is_refusal(error):
                raise
            raise ConfigError(
                f"MLFLOW_EXPERIMENT_ID must be an experiment of {masked(self.target.uri)}, got {asked!r}; unset it, or "
                "name one by MLFLOW_EXPERIMENT_NAME"
            ) from error

    def page(self, link: str) -> str:
        """The whole address of a page, on the server or where ``mlflow ui`` would serve the database."""
        uri = masked(self.target.uri)
        return (uri.rstrip("/") if uri.startswith("http") else SERVED) + link

    def address(self, link: str) -> str:
        """Where to look at it: a page, or the command that serves one."""
        uri = masked(self.target.uri)
        return self.page(link) if uri.startswith("http") else f"mlflow ui --backend-store-uri {shlex.quote(uri)}"

    def set_view(self, key: str, state: str) -> None:
        """Make a view of the experiment's run table, as its *Share* button does, where the server lets us."""
        from mlflow.exceptions import MlflowException

        if self.experiment.tags.get(VIEW + key) != state:
            with suppress(MlflowException):
                self.client.set_experiment_tag(self.experiment_id, VIEW + key, state)
                self.experiment.tags[VIEW + key] = state

    def runs(self, study_id: str) -> list[Stored]:
        """All runs of a study, oldest first."""
        runs, token = [], None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                f"tags.`{STUDY}` = '{study_id}'",
                max_results=RUNS_PER_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += [Stored.of(run) for run in page]
            token = page.token
            if not token:
                return runs

    @contextmanager
    def bring_new(self, runs: Sequence[tuple[Run, Path]]) -> Iterator[list[Callable[[], Stored]]]:
        """Make new runs that have ended, each from its folder; each is had by a call, which may raise as :meth:`bring`.

        Several at once where they go to a server: most of the time is its answers' way.
        """
        inserted = self.insert(runs)
        if inserted is not None:
            yield [partial(_same, stored) for stored in inserted]
        elif self.target.database is not None:
            yield [partial(self.bring, run, None, folder) for run, folder in runs]
        else:
            pool = ThreadPoolExecutor(AT_ONCE)
            try:
                yield [pool.submit(self.bring, run, None, folder).result for run, folder in runs]
            finally:
                pool.shutdown(cancel_futures=True)

    def insert(self, runs: Sequence[tuple[Run, Path]]) -> list[Stored] | None:
        """Make new runs that have ended, each from its folder, all in one transaction; None where that can't be.

        Then nothing was changed, and :meth:`bring` says why.
        """
        if not runs:
            return []
        if not self._takes_whole:
            return None
        try:
            made = {whole_runs.run_id(run.tags[STUDY], run.tags.get(TRIAL), self.experiment_id): run for run, _ in runs}
            stored = [
                Stored(
                    run_id, whole_runs.artifacts_of(self.experiment, run_id), run.status, run.end_ms, dict(run.tags),
                    len(run.params),
                )
                for run_id, run in made.items()
            ]  # fmt: skip
            for of_run, (run, folder) in zip(stored, runs, strict=True):
                self._upload(run, of_run, folder)
            whole_runs.insert(self._store, self.experiment, getpass.getuser(), made)
            return stored
        except Exception:
            return None

    def bring(self, run: Run, stored: Stored | None, folder: Path) -> Stored:
        """Make the store hold ``run``, given what it holds; safe to repeat after any failure."""
        if stored is None:
            # The cursor goes in after what it counts; a run that has ended is safe from it by its status.
            tags = {k: v for k, v in run.tags.items() if v and (k != RELAYED or run.status != RUNNING)}
            user = getpass.getuser()
            created = self.client.create_run(self.experiment_id, run.start_ms, {**tags, "mlflow.user": user}, run.name)
            stored = Stored.of(created)
        self._upload(run, stored, folder)
        self._log(run, stored)
        if run.status != stored.status or run.end_ms not in (None, stored.end_ms):
            from mlflow.entities import RunStatus

            self._store.update_run_info(stored.run_id, RunStatus.from_string(run.status), run.end_ms, None)
            stored.status, stored.end_ms = run.status, run.end_ms
        return stored

    def delete(self, stored: Stored) -> None:
        """Move a run to the store's bin."""
        self.client.delete_run(stored.run_id)

    def _upload(self, run: Run, stored: Stored, folder: Path) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        present = [path for path in run.artifacts if (folder / path).exists()]
        if not present:
            return
        # client.log_artifact would read the run back to learn this address.
        repository: Any = get_artifact_repository(stored.artifact_uri, tracking_uri=self.target.uri)
        for path in present:
            inside = Path(path).parent.as_posix()
            where = None if inside in (".", ".hydra") or inside.startswith(("/", "..")) else inside
            if (folder / path).is_dir():
                repository.log_artifacts(str(folder / path), str(Path(where or "", Path(path).name)))
            else:
                repository.log_artifact(str(folder / path), where)

    def _log(self, run: Run, stored: Stored) -> None:
        from mlflow.entities import Metric, Param, RunTag

        for key in [key for key, value in run.tags.items() if not value and stored.tags.get(key)]:
            self.client.delete_tag(stored.run_id, key)
            del stored.tags[key]
        tags = {key: value for key, value in run.tags.items() if stored.tags.get(key, "") != value}
        params = list(run.params.items()) if stored.params != len(run.params) else []
        if not (tags or params or run.metrics):
            return
        told = [
            *(Param(key, value) for key, value in params),
            *(Metric(m.key, m.value, m.time_ms, m.step) for m in run.metrics),
            *(RunTag(key, value) for key, value in tags.items()),  # the last of them is the cursor
        ]
        for batch in _batches(told):
            of_kind = {kind: [each for each in batch if isinstance(each, kind)] for kind in (Metric, Param, RunTag)}
            self._store.log_batch(stored.run_id, *of_kind.values())
        stored.tags.update(tags)
        stored.params = len(run.params)


def _same(stored: Stored) -> Stored:
    return stored


def _batches(told: Iterable[Any]) -> Iterator[list[Any]]:
    """Metrics, parameters and tags in their order, in as few requests as MLflow takes them."""
    batch: list[Any] = []
    counts: Counter[type] = Counter()
    size = 0
    for each in told:
        kind, length = type(each), len(json.dumps([each.key, each.value])) + 100
        if counts[kind] == MOST[kind.__name__] or size + length > BYTES:
            yield batch
            batch, counts, size = [], Counter(), 0
        batch.append(each)
        counts[kind] += 1
        size += length
    if batch:
        yield batch
