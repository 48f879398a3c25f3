"""The wall between the halves, as a running interpreter sees it (import-linter checks the sources)."""

from __future__ import annotations

import subprocess
import sys

import pytest

STUDY = (
    "sweeper.study.sweep, sweeper.study.start, sweeper.study.tracking.relay, sweeper.study.view.plots, "
    "optuna.visualization"
)
TRIAL = "sweeper.trial.train, sweeper.trial.stage, models.mlp, models.cnn"


@pytest.mark.parametrize(
    ("modules", "forbidden"), [(STUDY, {"torch"}), (TRIAL, {"optuna", "mlflow", "submitit"}), ("sweeper", {"torch"})]
)
def test_a_half_never_loads_the_others_libraries(modules, forbidden):
    code = f"import sys, {modules}\nprint(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert len(loaded) > 50 and not forbidden & set(loaded)
