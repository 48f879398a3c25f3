"""Programs that give Hydra their overrides by themselves, as hydra-zen's do: no command line says them again."""

from pathlib import Path

import yaml

from tests.conftest import both_start_methods
from tests.study.test_failures import results, study

LAUNCH = """
from hydra_zen import builds, instantiate, launch, make_config

class Model:
    def __init__(self, x):
        self.x = x

def task(cfg):
    return float(instantiate(cfg.model).x)

if __name__ == "__main__":
    {more}
    launch(make_config(model=builds(Model, x=1)), task, multirun=True, version_base="1.3", overrides={overrides})
"""
THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
ZEN = """
from hydra_zen import make_config, store, zen

class Model:
    def __init__(self, n):
        self.n = n

def train(model, lr):
    return model.n * lr

models = store(group="model")
models(Model, n=3, name="small")
models(Model, n=30, name="big")
store(make_config(hydra_defaults=["_self_", {"model": "small"}], model=None, lr=0.1), name="cfg")
store.add_to_hydra_store()

if __name__ == "__main__":
    zen(train).hydra_main(config_name="cfg", version_base="1.3", config_path=None)
"""
OURS = ["hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.tracking=null", "hydra.sweep.dir=s"]


@both_start_methods
def test_a_launch_of_hydra_zens(run, tmp_path: Path, method):
    overrides = [*OURS, "model.x=1,2", f"hydra.launcher.start_method={method}"]
    (tmp_path / "app.py").write_text(LAUNCH.format(more="", overrides=overrides))
    done = run(tmp_path / "app.py")
    assert done.code == 0 and {t.value for t in study(tmp_path / "s").trials} == {1.0, 2.0}, done
    assert "rerun" not in done.out and "retry" not in done.out, done
    asked = yaml.safe_load((tmp_path / "s" / "study.yaml").read_text())
    assert asked["argv"] is None and "the same program" in asked["command"]
    assert "hydra.sweep.dir" in results(tmp_path / "s")["resume"]


def test_a_launch_beside_a_thread_starts_each_trial_afresh(run, tmp_path: Path):
    (tmp_path / "app.py").write_text(LAUNCH.format(more=THREAD, overrides=["hydra/launcher=local", "model.x=1,2"]))
    done = run(tmp_path / "app.py")
    assert done.code == 0 and "other threads" in done.err, done
    assert len(list(tmp_path.glob("multirun/*/*/*/events.0.jsonl"))) == 2, done


@both_start_methods
def test_a_task_function_in_another_ones_hands(run, tmp_path: Path, method):
    (tmp_path / "app.py").write_text(ZEN)
    start = f"hydra.launcher.start_method={method}"
    done = run(tmp_path / "app.py", "-m", *OURS, start, "model=small,big", "hydra.sweeper.n_trials=2")
    assert done.code == 0, done
    assert {round(t.value, 3) for t in study(tmp_path / "s").trials} == {0.3, 3.0}
