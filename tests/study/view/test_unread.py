"""What nobody reads, or can't be written in these letters, ends no sweep: pipes cut short, closed streams, ASCII."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests.conftest import APPS, both_start_methods, environment
from tests.study.test_failures import SWEEP, results

COMMAND = shlex.join([sys.executable, str(APPS / "toy.py"), *SWEEP, "x=uniform(0,1)", "hydra.sweeper.n_trials=3"])


def shell(line: str, cwd, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], cwd=cwd, env=environment(**env), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("cut", ["2>&1 | head -1", "| head -c 1"])
def test_a_sweep_goes_on_where_its_reader_has_left(tmp_path, cut):
    done = shell(f"{COMMAND} sleep=0.2 {cut}; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == 0 and "roken pipe" not in done.stderr, done
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 3


@both_start_methods
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_not_needed(tmp_path, closed, method):
    done = shell(f"{COMMAND} mode=gpus hydra.launcher.start_method={method} {closed}", tmp_path)
    assert done.returncode == 0, done
    assert "CUDA_VISIBLE_DEVICES=None" in (tmp_path / "s" / "2" / "output.0.log").read_text()
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 3


def test_what_an_old_terminal_has_no_letters_for_is_spelt(tmp_path):
    done = shell(f"{COMMAND} \"mode='naïve'\"", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 1 and "ValueError: na\\xefve" in done.stdout and "Traceback" not in done.stderr, done
