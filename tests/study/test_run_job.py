"""Our shorter ``run_job`` does what Hydra's own does: files, environment, HydraConfig and result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

APP = Path(__file__).parents[1] / "apps" / "run_twice.py"


@pytest.mark.parametrize(
    "overrides",
    [[], ["hydra.job.chdir=true"], ["hydra.output_subdir=null"], ["name=raise"], ["hydra.verbose=true", "missing=3"]],
    ids=" ".join,
)
def test_same_as_hydras_own(overrides: list[str], tmp_path: Path) -> None:
    command = [sys.executable, str(APP), str(tmp_path / "sweep ü"), *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told["ours"] == told["hydra"]
    assert told["ours"]["hydra"] and len(told["ours"]["files"]) == (0 if "hydra.output_subdir=null" in overrides else 3)
