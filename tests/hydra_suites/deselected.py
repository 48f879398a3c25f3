"""The tests of Hydra's own suites (``hydra.test_utils``) that are not run, each with its reason; all others are.

A pair is a sweeper and who launches: every launcher of ours passes its suites whole, under Hydra's basic sweeper.
"""

from __future__ import annotations

from hydra.test_utils import launcher_common_tests

RETURNS = (
    "reads JobReturns that the basic sweeper hands back; one that optimizes hands back none, as the peer's doesn't"
)
BATCHES = "counts the basic sweeper's batches; ours has none, a free slot gets the next trial"
NUMBER = "its apps return nothing; to a sweeper that optimizes such a trial has failed, and the exit code says so"
DESELECTED = {  # sweeper, suite: test, reason
    ("optuna", "LauncherTestSuite"): {
        "test_sweep_1_job": RETURNS,
        "test_sweep_1_job_strict": RETURNS,
        "test_sweep_2_jobs": RETURNS,
        "test_sweep_2_optimizers": RETURNS,
        "test_sweep_and_override": RETURNS,
        "test_sweep_over_unspecified_mandatory_default": RETURNS,
        "test_sweep_with_custom_resolver": RETURNS,
    },
    ("optuna", "IntegrationTestSuite"): {
        "test_custom_sweeper_run_workdir": NUMBER,
        "test_custom_task_name": NUMBER,
        "test_get_orig_dir_multirun": NUMBER,
        "test_to_absolute_path_multirun": NUMBER,
    },
    ("optuna", "BatchedSweeperTestSuite"): {"test_sweep_2_jobs_2_batches": BATCHES},
}


def suite(name: str, sweeper: str = "basic") -> type:
    """A suite of Hydra's without what is deselected for ``sweeper``."""
    return type(name, (getattr(launcher_common_tests, name),), dict.fromkeys(DESELECTED.get((sweeper, name), {})))
