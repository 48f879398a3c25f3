"""Hydra's own suites, run with our sweeper on Hydra's launchers and ours."""

from __future__ import annotations

import pytest
from hydra.test_utils import launcher_common_tests

from tests.hydra_suites.deselected import DESELECTED, suite

pytestmark = pytest.mark.filterwarnings(  # the suites leave hydra.main's version_base open
    "ignore:\\s*Future Hydra versions will no longer change working directory"
)
SWEEPER = ["hydra/sweeper=optuna", "hydra.sweeper.tracking=null"]
LAUNCHERS = ("basic", "local", pytest.param("joblib", marks=pytest.mark.long))


@pytest.mark.parametrize("overrides", [SWEEPER], ids=["optuna"])
@pytest.mark.parametrize("launcher_name", LAUNCHERS)
class TestSweeper(suite("LauncherTestSuite", "optuna")):
    pass


@pytest.mark.parametrize("sweeper, name", DESELECTED)
def test_what_is_deselected_is_there(sweeper, name):
    theirs = {test for test in dir(getattr(launcher_common_tests, name)) if test.startswith("test_")}
    gone = set(DESELECTED[sweeper, name]) - theirs
    assert not gone, "no longer in Hydra's suite: remove from tests/hydra_suites/deselected.py"
