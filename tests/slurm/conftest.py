"""A cluster for the tests, started once for the session (half a second; with accounting four)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.slurm.cluster import Cluster, missing

TOY = (
    "toy.py", "-m", "hydra/sweeper=optuna", "hydra/launcher=slurm", "hydra.sweeper.tracking=null", "hydra.sweep.dir=s",
)  # fmt: skip

both = pytest.mark.parametrize("cluster", ["bare", "accounting"], indirect=True)
"""With and without slurmdbd."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    accounting = getattr(request, "param", "bare") == "accounting"
    reason = missing(accounting=accounting)
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        made = Cluster(Path(folder), accounting=accounting)
        made.up()
        try:
            yield made
        finally:
            made.down()


@pytest.fixture
def slurm(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, empty before and after."""
    monkeypatch.setenv("SLURM_CONF", cluster.env["SLURM_CONF"])
    cluster.cancel_all()
    yield cluster
    cluster.cancel_all()


@pytest.fixture
def sweep(slurm: Cluster, run: Callable[..., Run]) -> Callable[..., Run]:
    """Sweep the toy app on the cluster, in the folder ``s``."""
    return lambda *arguments, **keys: run(*TOY, *arguments, **keys)
