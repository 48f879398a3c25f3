"""What `stage=check` enters, and what a sweep makes of it; on the project itself, in a copy of its app."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from sweeper import ledger

ROOT = Path(__file__).parents[1]
SWEEP = ("-m", "tracking=null", "hydra.sweeper.dry_run=true", "hydra.sweeper.n_trials=1")


@pytest.fixture
def app(tmp_path):
    for name in ("train.py", "conf", "models"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    return tmp_path


def test_a_sweep_minds_the_ledger(app, run) -> None:
    def sweep(*more):
        return run(app / "train.py", *SWEEP, *more, cwd=app)

    first = sweep("data=wine")
    said = "data=wine model=mlp not checked as it is now; run: python train.py stage=check data=wine"
    assert first.code == 0 and said in first.err, first
    refused = sweep("data=wine", "recipe.strict=true")
    assert refused.code == 1 and "recipe.strict must find a passed check" in refused.err, refused

    checked = run(app / "train.py", "stage=check", "data=wine", "tracking=null", cwd=app)
    assert checked.code == 0, checked
    assert "not checked" not in sweep("data=wine", "recipe.strict=true").err

    for name, change in {"model": "# a comment", "failed": ""}.items():
        if name == "failed":
            line = json.loads((app / ledger.LEDGER).read_text().splitlines()[-1])
            line |= {"ok": False, "failed": ["dead_units"]}
            (app / ledger.LEDGER).write_text(json.dumps(line) + "\n")
            assert "data=wine model=mlp failed dead_units at its check of 20" in sweep("data=wine").err
        else:
            with open(app / "models" / "mlp.py", "a") as file:
                file.write(change)
            assert said in sweep("data=wine").err
            assert "not checked" in sweep("data=wine", "model=linear").err  # another model, never checked
            source = (app / "models" / "mlp.py").read_text().removesuffix(change)
            (app / "models" / "mlp.py").write_text(source)


def test_a_failed_check_has_exit_code_1_and_one_line(app, run) -> None:
    found = run(app / "train.py", "stage=check", "optimizer.lr=30", "tracking=null", cwd=app)
    assert found.code == 1
    assert "FAIL learning_rate" in found.out
    assert "checks failed: learning_rate\n" in found.err
    assert "Traceback" not in found.both
    assert not json.loads((app / ledger.LEDGER).read_text())["ok"]


def test_identity_is_of_data_model_and_code(tmp_path) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        default, lr, wide, wine, cnn = (
            ledger.identity(compose("config", overrides=list(overrides)))
            for overrides in ((), ("optimizer.lr=0.1",), ("model.width=7",), ("data=wine",), ("model=cnn",))
        )
        cfg = compose("config")
    assert default == lr == wide
    assert len({default, wine, cnn}) == 3
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    with open_dict(cfg):
        cfg.data.root = str(folder)
    before = ledger.identity(cfg)
    os.utime(folder / "cat", ns=(1, 1))
    assert before is not None and ledger.identity(cfg) != before
    assert ledger.identity(OmegaConf.create({"lr": 1})) is None


def test_it_costs_a_sweep_milliseconds_and_no_torch() -> None:
    code = (
        "import sys; from hydra import compose, initialize_config_dir\n"
        f"with initialize_config_dir({str(ROOT / 'conf')!r}, version_base=None): cfg = compose('config')\n"
        "import time; from sweeper import ledger; ledger.identity(cfg); best = 9\n"
        "for _ in range(5):\n"
        "    began = time.perf_counter(); ledger.identity(cfg); best = min(best, time.perf_counter() - began)\n"
        "print(best); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.05  # 7 ms on two busy cores
