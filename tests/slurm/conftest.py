"""Clusters for the tests, each started once a session (half a second; with accounting four)."""

from __future__ import annotations

import os
import shutil
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


LONGEST = (  # they wait for SLURM more than they compute: begun first, they end while the others run
    "test_each_kind_of_failure", "test_preemption", "test_a_stopped_controller", "test_forty_trials", "test_two_nodes",
    "test_kill_9", "test_a_study_on_a_cluster", "test_a_lost_node", "test_an_outside_app", "test_a_cap",
    "test_time_that_is_up", "test_small_arrays",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.slurm)
    first = [item for name in LONGEST for item in mine if item.name.startswith(name)]
    items[:] = [*first, *(item for item in items if item not in first)]


@pytest.fixture(scope="session")
def clusters() -> Iterator[dict[str, Cluster]]:
    """Those that a test has needed so far; each serves until the last test."""
    made: dict[str, Cluster] = {}
    try:
        yield made
    finally:
        for cluster in made.values():
            cluster.down()
            shutil.rmtree(cluster.folder)


@pytest.fixture
def cluster(request: pytest.FixtureRequest, clusters: dict[str, Cluster]) -> Cluster:
    name = getattr(request, "param", "bare")
    if name not in clusters:
        reason = missing(accounting=name == "accounting")
        if reason is not None:
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        clusters[name] = Cluster(Path(tempfile.mkdtemp(prefix="slurm-")), accounting=name == "accounting")
        clusters[name].up()
    return clusters[name]


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
