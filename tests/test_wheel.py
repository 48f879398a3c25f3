"""The wheel in an empty environment beside an app of somebody else's: it works, and brings only what it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import APPS, ROOT, environment

SWEEP = ("-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweep.dir=s", "x=uniform(0,1)")


@pytest.mark.long
def test_the_wheel_alone(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    wheel = ("wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT))
    subprocess.run([*pip, *wheel], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    (built,) = tmp_path.glob("sweeper-*.whl")
    subprocess.run(
        [*pip, "--python", str(python), "install", "-c", str(ROOT / "constraints.txt"), str(built)], check=True
    )
    app = tmp_path / "theirs" / "toy.py"
    app.parent.mkdir()
    shutil.copy(APPS / "toy.py", app)

    def do(*words: str) -> subprocess.CompletedProcess[str]:
        env = environment(PYTHONPATH="")
        return subprocess.run([python, *words], cwd=app.parent, env=env, capture_output=True, text=True, timeout=120)

    for package in ("torch", "mlflow", "submitit", "sklearn", "lightning", "tests", "models"):
        assert do("-c", f"import {package}").returncode == 1, package
    for peer in (  # apps import their structured configs and derive from their classes
        *("hydra_optuna_sweeper.config", "hydra_optuna_sweeper.optuna_sweeper"),
        *("hydra_submitit_launcher.config", "hydra_submitit_launcher.submitit_launcher"),
    ):
        assert do("-c", f"import hydra_plugins.{peer}").returncode == 0, peer
    done = do("toy.py", *SWEEP, "hydra.sweeper.n_trials=3", "steps=2")
    assert done.returncode == 0 and "mlflow is missing; pip install mlflow plotly" in done.stderr, done
    status = do("-m", "sweeper", "status", "s")
    assert status.returncode == 0 and "3 of 3 trials have ended" in status.stdout, status
    for missing, line in {
        "hydra/sweeper/sampler=cmaes": "pip install cmaes",
        "hydra/sweeper/sampler=qmc": "pip install scipy",
        "hydra/launcher=slurm": "pip install submitit",
    }.items():
        refused = do("toy.py", *SWEEP, missing, "hydra.sweep.dir=t", "hydra.sweeper.n_jobs=1")
        assert refused.returncode == 1 and line in refused.stderr and "Traceback" not in refused.stderr, refused
        assert not (app.parent / "t").exists()
    for module, line in {"sweeper.lightning": "pip install lightning"}.items():
        assert line in do("-c", f"import {module}").stderr
    synced = do("-m", "sweeper", "sync", "s")
    assert synced.returncode == 2 and "pip install mlflow" in synced.stderr and "Traceback" not in synced.stderr, synced
