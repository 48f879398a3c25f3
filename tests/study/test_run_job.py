"""Our shorter ``run_job`` does what Hydra's own does: files, environment, HydraConfig and result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.study.launchers.run_job import _yaml, yaml_of

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


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30)
scalars |= st.text(alphabet="ab: \n#'\"-?{}[],&*!|>%@`", max_size=100)  # folded, quoted, in blocks
scalars |= st.text(alphabet="aE_10/=.,+-", max_size=20) | st.sampled_from(["=", "/", "a=", "~/b", "1e3=", "n=", "1/2"])
keys = st.integers() | st.text(max_size=12) | st.sampled_from(["yes", "null", "a b", "~", "1e3", "-", "a:", "x" * 130])
trees = st.recursive(scalars, lambda t: st.lists(t, max_size=3) | st.dictionaries(keys, t, max_size=4), max_leaves=15)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, trees, min_size=1, max_size=4))
def test_a_config_written_part_by_part_is_the_same_text(content):
    assert yaml_of(content) == _yaml(content)
    assert yaml_of(content, "hydra") == _yaml({"hydra": content})
