"""A short storm over a study on the cluster; `make chaos` has a longer one."""

from __future__ import annotations

from tests.chaos.__main__ import storm
from tests.chaos.faults import SLURM


def test_a_study_on_a_cluster_under_faults_is_the_undisturbed_one(slurm):
    assert storm("slower", seed=1, trials=16, faults=SLURM, count=8, cluster=slurm) == []
