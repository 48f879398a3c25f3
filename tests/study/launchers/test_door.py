"""What goes wrong behind Hydra's door is not the program's doing."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import APPS, environment

ENTER = """
import pickle, sys
from sweeper.study.launchers.command import Command
from sweeper.study.launchers.worker import enter

app, cwd, gone = sys.argv[1:]
command = Command(
    program=app, module=None, arguments=("-m",), cwd=cwd, path=(), flags=(), door="main", objectives=1,
    state=pickle.dumps((gone, b"", None)),
)
try:
    enter(command, lambda runner: 0)
except Exception as error:
    print(type(error).__name__)
"""


def test_an_error_of_ours_is_not_reported_by_hydra_as_the_programs(tmp_path):
    command = [sys.executable, "-c", ENTER, str(APPS / "toy.py"), str(tmp_path), str(tmp_path / "gone")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("FileNotFoundError\n", 0), done
