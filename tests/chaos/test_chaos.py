"""A short storm; `make chaos` has the long ones."""

from __future__ import annotations

import pytest

from tests.chaos.__main__ import storm
from tests.chaos.faults import FAULTS


@pytest.mark.long
def test_a_study_under_six_faults_is_the_undisturbed_one():
    assert storm("slow", seed=10, trials=16, faults=FAULTS["local"], count=6) == []
