"""What a nursery imports for its trials, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

NURSERY = """
import os, sys
from multiprocessing import Pipe
from pathlib import Path
from sweeper.study.launchers import Job
from sweeper.study.launchers.nursery import serve
from sweeper.study.launchers.trial_processes import Run

def trial(run, pipe):
    found = "torch._dynamo" in sys.modules
    import torch
    if run.job.number == 1:
        torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    return int(found)

ours, theirs = Pipe()
if os.fork() == 0:
    ours.close()
    serve(theirs, ["torch"], trial, lambda run: None, eager=sys.argv[1] == "eager")
theirs.close()
for number in range(3):
    ours.send(Run(Job(number, 0, (), Path(), ""), {}, 1, None, None, None))
    print(ours.recv().code, end=" ")
"""


@pytest.mark.parametrize(("when", "found"), [("eager", "1 1 1"), ("when needed", "0 0 1")])
def test_what_optimizers_import_is_imported_at_once_or_when_a_trial_needed_it(when, found):
    done = subprocess.run([sys.executable, "-c", NURSERY, when], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == found.split(), done
