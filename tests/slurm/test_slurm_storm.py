"""A short storm over a study on the cluster, of what happens only there; `make chaos` has longer ones."""

from __future__ import annotations

from tests.chaos.__main__ import storm
from tests.chaos.faults import LOCAL, SLURM

LATE = "slurmctld killed"  # SLURM may then take minutes over jobs that it has forgotten in part
FAULTS = {n: strike for n, strike in SLURM.items() if (n not in LOCAL and n != LATE) or n == "kill -9 orchestrator"}


def test_a_study_on_a_cluster_under_each_fault_once_is_the_undisturbed_one(slurm):
    """The seed is one whose faults pass quickly, but for a node that is lost until SLURM has noticed."""
    assert storm("slower", seed=383, trials=12, faults=FAULTS, count=len(FAULTS), cluster=slurm) == []
