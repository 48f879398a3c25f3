"""``hydra.sweeper.dry_run=true`` shows what the same command would run, and runs nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml

from tests.conftest import ROOT
from tests.study.test_failures import study

TRAIN = ROOT / "train.py"


def test_a_dry_run_shows_the_trials_that_the_sweep_then_runs(run, tmp_path: Path) -> None:
    command = (TRAIN, "-m", "model=glob(*,exclude=[cnn])", "optimizer=adam,sgd", "data=wine", "stage.epochs=1")
    command += ("tracking=null", "hydra.sweeper.n_trials=6", "hydra.sweeper.study_name=s")
    plan = run(*command, "hydra.sweeper.dry_run=true")
    assert plan.code == 0, plan
    assert list(tmp_path.iterdir()) == []
    lines = [line.strip().split(" ", 1) for line in plan.out.splitlines() if line.strip()[:4].isdigit()]
    assert [int(number) for number, _ in lines] == list(range(6))

    done = run(*command)
    assert done.code == 0, done
    for number, overrides in lines:
        kept = yaml.safe_load((tmp_path / "multirun" / "s" / number / ".hydra" / "overrides.yaml").read_text())
        assert set(shlex.split(overrides)) <= set(kept)
    assert {t.params["model"] for t in study(tmp_path / "multirun" / "s").trials} == {"linear", "mlp"}
