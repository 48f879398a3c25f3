"""An app written for hydra-optuna-sweeper runs unchanged, under Hydra's launchers and ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import APPS, both_start_methods, processes_with, start
from tests.study.test_failures import study

APP = "peer/sphere.py"
HERE = ("hydra.sweep.dir=s", "hydra.sweeper.tracking=null")


def results(tmp_path: Path) -> dict:
    return yaml.safe_load((tmp_path / "s" / "optimization_results.yaml").read_text())


@pytest.mark.parametrize("launcher", ["basic", "joblib", "local"])
def test_single_objective(run, tmp_path, launcher):
    done = run(APP, "-m", *HERE, f"hydra/launcher={launcher}")
    assert done.code == 0, done
    found = results(tmp_path)
    assert found["name"] == "optuna"
    assert set(found["best_params"]) == {"x", "y"}
    x, y = found["best_params"]["x"], found["best_params"]["y"]
    assert found["best_value"] == x**2 + y**2
    trials = study(tmp_path / "s").trials
    assert len(trials) == 8 and all(t.state.name == "COMPLETE" for t in trials)
    assert all((t.params["x"] * 2) % 1 == 0 and t.params["y"] in (-5, 0, 5) for t in trials)


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_several_objectives(run, tmp_path, launcher):
    done = run(
        APP,
        "-m",
        *HERE,
        f"hydra/launcher={launcher}",
        "objectives=2",
        "hydra.sweeper.direction=[minimize,minimize]",
        "hydra/sweeper/sampler=nsgaii",
    )
    assert done.code == 0, done
    solutions = results(tmp_path)["solutions"]
    assert solutions and all(len(s["values"]) == 2 and set(s["params"]) == {"x", "y"} for s in solutions)
    values = [tuple(s["values"]) for s in solutions]
    assert not any(a != b and a[0] <= b[0] and a[1] <= b[1] for a in values for b in values)


def test_a_pruner_with_several_directions_is_an_error(run, tmp_path):
    done = run(
        APP,
        "-m",
        *HERE,
        "hydra/launcher=local",
        "hydra.sweeper.direction=[minimize,minimize]",
        "hydra.sweeper.pruner=asha",
    )
    assert done.code == 1 and "hydra.sweeper.pruner must be null with several directions" in done.err
    assert "Traceback" not in done.err and not (tmp_path / "s").exists()


def test_max_failure_rate_zero_stops_at_the_first_failure(run, tmp_path):
    done = run(APP, "-m", *HERE, "hydra/launcher=local", "error=true")
    assert done.code == 1 and "max_failure_rate=0" in done.err and "cfg.error is True" in done.err
    assert len(study(tmp_path / "s").trials) <= 3


def test_custom_search_space(run, tmp_path):
    done = run(
        APP,
        "-m",
        *HERE,
        "hydra/launcher=local",
        "hydra.sweeper.custom_search_space=__main__.extend",
        "hydra.sweeper.n_trials=4",
    )
    assert done.code == 0, done
    for trial in study(tmp_path / "s").trials:
        assert set(trial.params) == {"x", "y", "z", "+w"}
        overrides = yaml.safe_load((tmp_path / "s" / str(trial.number) / ".hydra" / "overrides.yaml").read_text())
        assert f"+w={trial.params['+w']!r}" in overrides


def test_custom_search_space_extends_a_finite_space_without_end(run, tmp_path):
    done = run(
        *(APP, "-m", *HERE, "hydra/launcher=local", "hydra/sweeper/sampler=random", "x=1,2", "y=0"),
        *("hydra.sweeper.custom_search_space=__main__.extend", "hydra.sweeper.n_trials=7"),
    )
    assert done.code == 0, done
    trials = study(tmp_path / "s").trials
    assert len(trials) == 7 and len({t.params["+w"] for t in trials}) == 7
    assert {t.params["x"] for t in trials} == {1, 2}


def test_grid_draws_every_point_once(run, tmp_path):
    done = run(
        APP,
        "-m",
        *HERE,
        "hydra/launcher=local",
        "hydra/sweeper/sampler=grid",
        "x=range(1,3)",
        "y=choice(-5,0)",
        "hydra.sweeper.n_trials=50",
    )
    assert done.code == 0, done
    points = [(t.params["x"], t.params["y"]) for t in study(tmp_path / "s").trials]
    assert points == [(1, -5), (1, 0), (2, -5), (2, 0), (3, -5), (3, 0)]
    assert "exhausted" in done.err


def test_a_storage_of_the_persons_own_is_resumed_by_name(run, tmp_path):
    import optuna

    storage = ("hydra.sweeper.storage=sqlite:///o.db", "hydra/launcher=local", "hydra/sweeper/sampler=random")
    assert run(APP, "-m", *HERE, *storage, "hydra.sweeper.n_trials=3").code == 0
    done = run(
        APP, "-m", "hydra.sweep.dir=elsewhere", "hydra.sweeper.tracking=null", *storage, "hydra.sweeper.n_trials=5"
    )
    assert done.code == 0, done
    found = optuna.load_study(study_name="sphere", storage=f"sqlite:///{tmp_path}/o.db")
    assert len(found.trials) == 5
    best = yaml.safe_load((tmp_path / "elsewhere" / "optimization_results.yaml").read_text())["best_trials"]
    assert {Path(b["folder"]).parent.name for b in best} == {"s", "elsewhere"}  # each where it ran
    assert all((Path(b["folder"]) / ".hydra").exists() and "x=" in b["command"] for b in best)


def test_two_orchestrators_share_a_storage(run, tmp_path):
    import optuna

    shared = ("hydra.sweeper.storage=sqlite:///o.db", "hydra/launcher=local", "hydra/sweeper/sampler=random")
    assert run(APP, "-m", *HERE, *shared, "hydra.sweeper.n_trials=1").code == 0  # makes the tables
    both = [
        start(APP, "-m", f"hydra.sweep.dir={name}", HERE[1], *shared, "hydra.sweeper.n_trials=12", cwd=tmp_path)
        for name in ("a", "b")
    ]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    trials = optuna.load_study(study_name="sphere", storage=f"sqlite:///{tmp_path}/o.db").trials
    assert 12 <= len(trials) <= 13 and {t.state.name for t in trials} == {"COMPLETE"}  # both may ask for the last
    assert len({t.user_attrs["sweeper.folder"] for t in trials}) == len(trials)
    assert {Path(t.user_attrs["sweeper.folder"]).parent.name for t in trials} == {"s", "a", "b"}


def test_the_peers_target_is_served(run, tmp_path):
    target = "hydra.sweeper._target_=hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
    done = run(APP, "-m", *HERE, target, "hydra.sweeper.n_trials=2", "hydra/launcher=local")
    assert done.code == 0, done


def test_hydras_basic_sweeper_works_with_our_launcher(run, tmp_path):
    done = run("toy.py", "-m", "hydra/launcher=local", "hydra.sweep.dir=s", "x=1,2,3")
    assert done.code == 0, done
    ends = [json.loads((tmp_path / "s" / str(n) / "events.0.jsonl").read_text().splitlines()[-1]) for n in range(3)]
    assert [e["state"] for e in ends] == ["COMPLETE"] * 3


def test_the_peers_old_search_space_is_read(run, tmp_path):
    space = (
        "+hydra.sweeper.search_space={x: {type: float, low: -1.0, high: 1.0}, y: {type: categorical, choices: [0, 5]}}"
    )
    done = run(
        APP,
        "-m",
        *HERE,
        "hydra/launcher=local",
        "hydra.sweeper.params=null",
        space.lstrip("+"),
        "hydra.sweeper.n_trials=3",
    )
    assert done.code == 0, done
    for trial in study(tmp_path / "s").trials:
        assert -1 <= trial.params["x"] <= 1 and trial.params["y"] in (0, 5)


SAMPLERS = {  # of an option that doesn't say, as ours does, that Hydra must not make them
    "tpe": "defaults: [{sampler: tpe}]",
    "motpe": "defaults: [{sampler: motpe}]",
    "grid": "defaults: [{sampler: grid}]",
    "the peer's grid": "sampler: {_target_: optuna.samplers.GridSampler, _partial_: true}",
    "a node": "sampler: {_target_: optuna.samplers.TPESampler, seed: 1, n_startup_trials: 2, consider_prior: true}",
    "one that Optuna 5 lacks": "sampler: {_target_: optuna.samplers.MOTPESampler, seed: 1}",
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_option_that_lists_only_the_peers_keys_is_completed(quick, tmp_path, sampler):
    (tmp_path / "conf" / "hydra" / "sweeper").mkdir(parents=True)
    (tmp_path / "conf" / "hydra" / "sweeper" / "mine.yaml").write_text(
        f"{SAMPLERS[sampler]}\n"
        "_target_: hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper\n"
        "direction: minimize\nstorage: null\nstudy_name: null\nn_trials: 4\nn_jobs: 1\n"
        "params: {x: 'range(0, 1, step=0.25)'}\n"
    )
    done = quick("toy.py", "-m", "--config-dir", "conf", "hydra/sweeper=mine", "hydra.sweep.dir=s", "+tracking=null")
    assert done.code == 0 and "Warning" not in done.err, done
    assert len(study(tmp_path / "s").trials) == 4
    assert not (tmp_path / "mlflow.db").exists(), "the app's own `tracking` was not heeded"


PLUGIN = """
from dataclasses import dataclass
from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf
from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import LocalLauncher

@dataclass
class Conf(OptunaSweeperConf):
    _target_: str = "hydra_plugins.gemm.gemm.Gemm"

class Gemm(OptunaSweeper):
    def sweep(self, arguments):
        print("gemm")
        return super().sweep([*arguments, "y=2"])

class Mine(LocalLauncher):
    def launch(self, job_overrides, initial_job_idx):
        raise NotImplementedError

ConfigStore.instance().store(group="hydra/sweeper", name="gemm", node=Conf)
"""


def test_a_plugin_of_the_apps_own_derives_from_the_peers_classes(run, tmp_path):  # hydra#2810
    (tmp_path / "hydra_plugins" / "gemm").mkdir(parents=True)
    (tmp_path / "hydra_plugins" / "gemm" / "__init__.py").touch()
    (tmp_path / "hydra_plugins" / "gemm" / "gemm.py").write_text(PLUGIN)
    (tmp_path / "app.py").write_text((APPS / "toy.py").read_text())
    mine = ("hydra/sweeper=gemm", "hydra/sweeper/sampler=tpe", "hydra.launcher._target_=hydra_plugins.gemm.gemm.Mine")
    done = run(
        tmp_path / "app.py", "-m", *mine, "hydra.sweep.dir=s", "+tracking=null", "x=1,2", "hydra.sweeper.n_trials=2"
    )
    assert done.code == 0 and done.out.startswith("gemm") and done.err.startswith("sweeper: 2 trials"), done
    assert all(t.value > 4 for t in study(tmp_path / "s").trials)


@both_start_methods
def test_data_loaders_with_workers(run, tmp_path, method):
    done = run(
        *("loader.py", "-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.tracking=null"),
        *("hydra.sweep.dir=s", "lr=0.05,0.1,0.2", f"hydra.launcher.start_method={method}"),
    )
    assert done.code == 0, done
    values = {t.params["lr"]: t.value for t in study(tmp_path / "s").trials}
    assert values[0.2] < values[0.1] < values[0.05] < 14  # the variance of the targets
    assert processes_with(str(tmp_path)) == []
