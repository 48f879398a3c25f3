"""Hydra's own suites for launchers, on the real cluster: those whose task function is pickled, and those of scripts.

None is deselected (``tests/hydra_suites/deselected.py`` would name it).
"""

from __future__ import annotations

import pytest
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite

pytestmark = [
    pytest.mark.usefixtures("slurm"),
    pytest.mark.filterwarnings(  # the suites leave hydra.main's version_base open
        "ignore:\\s*Future Hydra versions will no longer change working directory"
    ),
]
KEYS = ["hydra.launcher.timeout_min=5", "hydra.launcher.snapshot=false"]


@pytest.mark.parametrize("launcher_name, overrides", [("slurm", KEYS)])
class TestSlurmLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(
    "launcher_name, overrides", [("slurm", ["hydra/sweeper=basic", "hydra.sweeper.max_batch_size=2", *KEYS])]
)
class TestBasicSweeperWithBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(
    "task_launcher_cfg, extra_flags",
    [({}, ["-m", "hydra/hydra_logging=disabled", "hydra/job_logging=disabled", "hydra/launcher=slurm"])],
)
class TestSlurmLauncherIntegration(IntegrationTestSuite):
    pass
