"""Configs written for hydra-submitit-launcher: its names and keys, without SLURM."""

from __future__ import annotations

import pytest

from tests.study.test_failures import results

LOCAL = ("-m", "hydra/sweeper=optuna", "hydra/launcher=submitit_local", "hydra.sweeper.tracking=null")


def test_submitit_local_is_a_name_for_ours(run, tmp_path):
    keys = ("hydra.launcher.timeout_min=5", "hydra.launcher.cpus_per_task=1")
    done = run("toy.py", *LOCAL, *keys, "hydra.sweep.dir=s", "x=uniform(0,1)", "hydra.sweeper.n_trials=3")
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 3


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("hydra.launcher.nodes=2", "hydra.launcher.nodes must be 1"),
        ("hydra.launcher.name=mine", "hydra.launcher.name has no effect"),
        ("+hydra.launcher.partition=gpu", "hydra.launcher.partition must be a key of submitit_local"),
    ],
)
def test_keys_without_effect_are_errors(run, tmp_path, key, said):
    done = run("toy.py", *LOCAL, key, "x=uniform(0,1)")
    assert done.code == 1 and said in done.err and "Traceback" not in done.err, done
    assert list(tmp_path.iterdir()) == []
