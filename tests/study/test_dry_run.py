"""``hydra.sweeper.dry_run=true`` shows what the same command would run, and runs nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
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


def test_a_sweep_of_nothing_says_so(quick) -> None:  # hydra#2047: the space had got into the app's own keys
    sweep = ("toy.py", "-m", "hydra/sweeper=optuna", "hydra.sweeper.dry_run=true", "+params={x: 'interval(0,1)'}")
    done = quick(*sweep)
    assert done.code == 0 and "nothing is searched" in done.err and "hydra.sweeper.params" in done.err, done
    assert "nothing is searched" not in quick(*sweep, "x=1,2").err
    assert "nothing is searched" not in quick(*sweep, "hydra.sweeper.repeats=3").err


@pytest.mark.parametrize("own", ["{fps: 30, method: kalman}", "[a, b]", "true", "false", "wandb"])
def test_a_key_tracking_of_the_apps_own(quick, tmp_path, own):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text(f"x: 1\ntracking: {own}\n")
    app = tmp_path / "app.py"
    app.write_text(
        "import hydra\n@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
        "def main(cfg):\n    return cfg.x\nmain()\n"
    )
    done = quick(app, "-m", "hydra/sweeper=optuna", "hydra.sweeper.dry_run=true", "x=1,2")
    if own == "wandb":
        assert done.code == 1 and "hydra.sweeper.tracking=mlflow where the app has a key" in done.err, done
    else:
        assert done.code == 0 and "2 trials" in done.err, done
