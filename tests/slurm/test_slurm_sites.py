"""Sites differ: SLURM's commands behind wrappers that say more, an older squeue, a federation's ids."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.slurm.conftest import TOY
from tests.study.test_failures import results

SBATCH = """#!/bin/sh
echo Welcome to the throwaway cluster
said=$({real} "$@") || exit
echo "$said;throwaway"
echo 3 % of your hours are used
"""
SQUEUE = """#!/bin/sh
case " $* " in *" --me "*) echo "squeue: unrecognized option '--me'" >&2; exit 1;; esac
{real} "$@" || exit
printf 'maintenance on Friday\\nx\\ty\\tz\\n141\\t0\\tFAILED\\tunknown\\n\\n'
"""


def wrapped(folder: Path) -> str:
    """A PATH that begins with a site's wrappers."""
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE}.items():
        (folder / name).write_text(text.format(real=shutil.which(name)))
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_wrappers_that_say_more_and_nothing_that_others_may_read(slurm, run, tmp_path):
    there = "+hydra.launcher.additional_parameters.nodelist=n2"
    done = run(*TOY, "x=uniform(0,1)", "hydra.sweeper.n_trials=2", there, PATH=wrapped(tmp_path / "bin"))
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 2
    told = [*tmp_path.glob("s/.submitit/*.json"), *tmp_path.glob("s/.submitit/*.pickle")]
    assert len(told) >= 2 and {path.stat().st_mode & 0o077 for path in told} == {0}  # command lines may hold passwords
    tried = slurm.command("squeue", "-h", "-t", "all", "-n", "sweeper-preflight", "-S", "i", "-o", "%N").split()
    assert tried[-1] == "n2"
