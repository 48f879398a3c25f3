"""Hydra's own suites for launchers, run whole on the local launcher in both of its start methods.

Here with Hydra's basic sweeper; ``test_sweeper.py`` has ours, ``deselected.py`` what is left out there and why.
"""

from __future__ import annotations

import pytest
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

pytestmark = pytest.mark.filterwarnings(  # the suites leave hydra.main's version_base open
    "ignore:\\s*Future Hydra versions will no longer change working directory"
)
QUIET = ("hydra/hydra_logging=disabled", "hydra/job_logging=disabled")
FORK, SPAWN = "hydra.launcher.start_method=fork", "hydra.launcher.start_method=spawn"


def both(*values):
    """The first of two values for fork, the second, in the long run, for spawn."""
    fork, spawn = values
    return [pytest.param(*fork, id="fork"), pytest.param(*spawn, id="spawn", marks=pytest.mark.long)]


@pytest.mark.parametrize("launcher_name, overrides", both(*(("local", [m]) for m in (FORK, SPAWN))))
class TestLocalLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(
    "launcher_name, overrides",
    both(*(("local", ["hydra/sweeper=basic", "hydra.sweeper.max_batch_size=2", m]) for m in (FORK, SPAWN))),
)
class TestBasicSweeperWithBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(
    "task_launcher_cfg, extra_flags",
    both(*(({}, ["-m", *QUIET, "hydra/launcher=local", m]) for m in (FORK, SPAWN))),
)
class TestLocalLauncherIntegration(IntegrationTestSuite):
    pass
