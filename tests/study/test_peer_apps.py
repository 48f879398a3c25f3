"""Apps and configs as the peers' users write them, from their issue threads, run here unchanged."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from tests.conftest import APPS
from tests.study.test_failures import study

TEMPLATE = APPS / "template" / "train.py"
SEARCH = ("hparams_search=optuna", "hydra.sweep.dir=s", "+tracking=null")


def config(folder: Path, number: int) -> dict:
    return yaml.safe_load((folder / "s" / str(number) / ".hydra" / "config.yaml").read_text())


@pytest.mark.parametrize(
    ("launcher", "flags"),
    [("basic", ()), ("local", ("-m",)), pytest.param("joblib", (), marks=pytest.mark.long)],
    ids=["basic", "local -m", "joblib"],
)
def test_lightning_hydra_template(run, tmp_path, launcher, flags):
    done = run(TEMPLATE, *flags, *SEARCH, f"hydra/launcher={launcher}")
    assert done.code == 0, done
    trials = study(tmp_path / "s").trials
    assert [t.state.name for t in trials] == ["COMPLETE"] * 4
    for trial in trials:
        got = config(tmp_path, trial.number)
        assert trial.value == 0.5 + got["model"]["lr"]
        assert got["model"]["kind"] == trial.params["model"] and type(got["model"]["width"]) is int
        assert got["text"] in ("a,b", "k=v", "it's") and got["layers"] in ([64, 64], [32])
        assert got["maybe"] in (None, 2) and got["trainer"]["batches"] in (32, 64)
        assert (tmp_path / "s" / str(trial.number) / "train.log").exists()
    rerun = next(line for line in done.out.splitlines() if line.startswith("rerun")).split(maxsplit=2)[2]
    again = run(TEMPLATE, *shlex.split(rerun)[1:])  # one run, not a sweep, though the config asks for one
    assert again.code == 0 and (tmp_path / "logs" / "train" / "runs").exists(), again


@pytest.mark.parametrize(
    ("fixed", "path"),  # with a dot before it as in the peer's own example
    [([], ".train.suggest"), (["task_name='is, fixed'"], "train.suggest")],
    ids=["drawn", "fixed"],
)
def test_custom_search_space_finds_what_is_fixed(quick, tmp_path, fixed, path):
    custom = ("hydra/launcher=local", f"hydra.sweeper.custom_search_space={path}", "hydra/sweeper/sampler=random")
    done = quick(TEMPLATE, *SEARCH, *custom, *fixed)
    assert done.code == 0, done
    for trial in study(tmp_path / "s").trials:
        got = config(tmp_path, trial.number)
        assert trial.user_attrs["hparams_search"] == "optuna" and got["seed"] in (8, 12, 16)
        assert got["task_name"] in (["is, fixed"] if fixed else ["x, y", "it's"])
        assert ("model.dropout" in trial.params) == got["model"]["use_dropout"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hydra.sweeper.custom_search_space=train.suggest", "seed=8"], "seed must be fixed or suggested"),
        (["hydra.sweeper.custom_search_space=train.suggest_wrongly"], "train.suggest_wrongly: KeyError: 'no.such.key'"),
        (
            ["hydra.sweeper.custom_search_space=train.suggest_elsewhere"],
            "got from train.suggest_elsewhere: Could not override 'nowhere.lr'. To append",
        ),
        (["hydra.sweeper.custom_search_space=train.nothing"], "custom_search_space must be the dotted path"),
    ],
)
def test_a_custom_search_space_that_fails_is_one_line(quick, tmp_path, arguments, said):
    done = quick(TEMPLATE, *SEARCH, "hydra/launcher=local", *arguments)
    assert done.code == 1 and said in done.err and "Traceback" not in done.both, done


def test_the_peers_launchers_are_served_by_their_path(run, tmp_path):
    peer = (
        *("hydra/launcher=submitit_local", "hydra.launcher.gpus_per_node=2", "hydra.launcher.cpus_per_task=1"),
        "hydra.launcher._target_=hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
        *("hydra.launcher.submitit_folder=${hydra.sweep.dir}/.submitit/%j", "hydra.launcher.name=${hydra.job.name}"),
    )
    done = run(TEMPLATE, *SEARCH, *peer, "hydra.sweeper.n_trials=1")
    assert done.code == 0 and [t.state.name for t in study(tmp_path / "s").trials] == ["COMPLETE"], done


def test_flags_of_hydra_stay_in_the_command_that_reruns(run, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "other.yaml").write_text("defaults: [config, _self_]\nmode: ok\nadded: 1\n")
    flags = ("--config-dir", "more", "--config-name=other", "hydra.job.chdir=true")
    done = run("toy.py", "-m", *flags, "hydra/sweeper=optuna", "hydra.sweep.dir=s", "+tracking=null", "added=1,2")
    assert done.code == 0, done
    rerun = next(line for line in done.out.splitlines() if line.startswith("rerun")).split(maxsplit=1)[1]
    assert shlex.split(rerun)[2:-1] == [*flags, "+tracking=null"]


ARGPARSE = """
import argparse, sys
import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="config", node={"x": 1.0})
parser = argparse.ArgumentParser()
parser.add_argument("task")
parser.add_argument("--seed", type=int, required=True)
own, words = parser.parse_known_args()
sys.argv = [sys.argv[0], *words]

@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg):
    assert (own.task, own.seed) == ("train", 3)
    return float(cfg.x)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("program", [("app.py",), ("-m", "app")], ids=" ".join)
def test_flags_of_the_apps_own_stay_in_its_commands(run, tmp_path, program):  # hydra#215, #1964
    (tmp_path / "app.py").write_text(ARGPARSE)
    start, *module = (tmp_path / "app.py",) if program == ("app.py",) else program
    sweep = ("hydra/sweeper=optuna", "hydra.sweep.dir=s", "hydra.sweeper.tracking=null", "hydra.sweeper.n_trials=1")
    done = run(start, *module, "train", "--seed", "3", "-m", "x=interval(0,1)", *sweep)
    assert done.code == 0, done
    said = dict(line.split(maxsplit=1) for line in done.out.splitlines() if line.startswith(("rerun", "extend")))
    for command in said.values():
        words = shlex.split(command.replace(f"{tmp_path}/", ""))
        assert words[1 : len(program) + 4] == [*program, "train", "--seed", "3"], done
        again = run(start, *words[2:])
        assert again.code == 0, again
    assert len(study(tmp_path / "s").trials) == 2
