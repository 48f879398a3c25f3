"""Mistakes get one line: the key, the rule, the value, the repair. No traceback, no half-made study, exit code 1."""

from __future__ import annotations

import os

import pytest

from tests.conftest import ROOT, small_disk
from tests.study.test_failures import SWEEP

M = "-m"
SLURM = "hydra/launcher=slurm"
TPE = "hydra/sweeper/sampler=tpe"
F = "hydra.sweeper.study_name=f"
SPACE = [  # command, what the line says
    ([M, "optimizer.lrr=interval(1e-5,1e-1)"], ["optimizer.lrr", "did you mean 'optimizer.lr'"]),
    ([M, "optimizer.lr=interval(1e-1,1e-5)"], ["optimizer.lr", "low < high", "interval(1e-1,1e-5)"]),
    ([M, "optimizer.lr=interval(0,inf)"], ["optimizer.lr", "finite bounds", "interval(0,inf)"]),
    ([M, "optimizer.lr=loguniform(0,1)"], ["optimizer.lr", "low > 0", "loguniform(0,1)"]),
    ([M, "optimizer.lr=tag(log,interval(-1,1))"], ["optimizer.lr", "low > 0"]),
    ([M, "optimizer.lr=uniform(a,b)"], ["optimizer.lr", "uniform(a,b)", "low", "str"]),
    ([M, "model.width=loguniform(8)"], ["model.width", "loguniform(8)", "'high'"]),
    ([M, "optimizer.lr=range(0,1,0)"], ["optimizer.lr", "step > 0", "range(0,1,0)", "range(start, stop, step)"]),
    ([M, "model.width=choice(8,8)"], ["model.width", "different choices", "choice(8,8)", "remove"]),
    ([M, "optimizer.lr=choice()"], ["optimizer.lr", "choice"]),
    ([M, "optimizer.lr=loguniforn(1e-5,1e-1)"], ["loguniforn"]),
    ([M, "model=mlp,null"], ["model (command line)", "names of options", "got null of mlp,null", "leave it out"]),
    ([M, "hydra.sweeper.params=5"], ["hydra.sweeper.params", "map keys", "got 5"]),
    ([M, "hydra.sweeper.params={optimizer.lr: 'nope('}"], ["optimizer.lr", "hydra.sweeper.params", "nope("]),
    ([M, "hydra.sweeper.search=optimiser.*"], ["hydra.sweeper.search", "optimiser.*", "optimizer.lr"]),
    ([M, "hydra.sweeper.search=[1]"], ["hydra.sweeper.search", "glob", "[1]"]),
    (
        [M, "+hydra.sweeper.params.optimizer.lr={min: 1e-4, max: 0.1}"],
        ["hydra.sweeper.params.optimizer.lr", "got", "optimizer.lr: uniform(0.0001, 0.1)"],
    ),
    (
        [M, "+hydra.sweeper.params.optimizer.lr={values: [1, 2]}"],
        ["hydra.sweeper.params.optimizer.lr", "got", "optimizer.lr: choice(1, 2)"],
    ),
    (
        [M, "+hydra.sweeper.params.optimizer.lr={distribution: log_uniform_values, min: 1e-4, max: 0.1}"],
        ["hydra.sweeper.params.optimizer.lr", "got", "optimizer.lr: loguniform(0.0001, 0.1)"],
    ),
    (
        [M, "+hydra.sweeper.params.optimizer.lr={type: range, bounds: [1, 8]}"],
        ["hydra.sweeper.params.optimizer.lr", "got", "optimizer.lr: int(interval(1, 8))"],
    ),
    (
        [M, "+hydra.sweeper.params.optimizer.lr={type: float, low: 0, high: 1, step: 0.5}"],
        ["hydra.sweeper.params.optimizer.lr", "got", "optimizer.lr: range(0, 1, step=0.5)"],
    ),
    *(
        (
            [M, f"+hydra.sweeper.params.optimizer.lr={{{theirs}}}"],
            ["params.optimizer.lr", f"write optimizer.lr: {ours}"],
        )
        for theirs, ours in (
            ("grid_search: [1, 2]", "choice(1, 2)"),
            ("lower: 1, upper: 8, log: true, integer: true, init: 2", "tag(log, int(interval(1, 8)))"),
            ("type: fixed, value: 0.5", "0.5"),
            ("_target_: optuna.distributions.FloatDistribution, low: 1, high: 2, log: true", "loguniform(1, 2)"),
            ("_target_: optuna.distributions.IntDistribution, low: 1, high: 2", "int(interval(1, 2))"),
        )
    ),
    ([M, "hydra.sweeper.search_space={x: {type: odd}}"], ["hydra.sweeper.search_space.x.type", "categorical", "odd"]),
    ([M, "hydra.sweeper.custom_search_space=nowhere.f"], ["hydra.sweeper.custom_search_space", "nowhere.f"]),
    ([M, "hydra/sweeper/sampler=grid"], ["optimizer.lr", "finite", "grid"]),
    ([M, TPE, "hydra.sweeper.repeats=2"], ["hydra.sweeper.repeats", "must be 1", "got 2", "random"]),
]
SWEEPER = [
    ([M, "hydra.sweeper.sampler.sede=3"], ["sede"]),
    ([M, "+hydra.sweeper.sampler.sede=3"], ["hydra.sweeper.sampler.sede", "did you mean 'seed'"]),
    ([M, TPE, "hydra.sweeper.sampler.n_startup_trials=ten"], ["sampler.n_startup_trials", "whole number", "'ten'"]),
    ([M, TPE, "hydra.sweeper.sampler.multivariate=often"], ["sampler.multivariate", "true or false", "'often'"]),
    ([M, "hydra/sweeper/sampler=cmaes", "hydra.sweeper.sampler.sigma0=x"], ["sampler.sigma0", "a number", "'x'"]),
    ([M, "hydra.sweeper.sampler.seed=abc"], ["hydra.sweeper.sampler.seed", "whole number", "'abc'"]),
    ([M, "hydra.sweeper.sampler=optuna.samplers.TPSampler"], ["hydra.sweeper.sampler", "'TPSampler'", "tpe"]),
    (
        [M, TPE, "+hydra.sweeper.sampler.constraints_func=nowhere.f"],
        ["sampler.constraints_func", "dotted", "nowhere.f"],
    ),
    ([M, "hydra.sweeper.sampler=rundom"], ["hydra.sweeper.sampler", "rundom", "random"]),
    ([M, "hydra/sweeper/sampler=rand"], ["hydra/sweeper/sampler/rand", "random"]),
    ([M, "hydra/sweeper=optune"], ["hydra/sweeper/optune", "optuna"]),
    ([M, "hydra.sweeper.pruner=asher"], ["hydra.sweeper.pruner", "asher", "asha"]),
    ([M, "hydra.sweeper.pruner={name: asha, min_resorce: 1}"], ["hydra.sweeper.pruner.min_resorce", "'min_resource'"]),
    ([M, "hydra.sweeper.pruner={name: asha, reduction_factor: 0}"], ["hydra.sweeper.pruner", "reduction_factor >= 2"]),
    ([M, "hydra.sweeper.direction=[minimize,minimize]", "hydra.sweeper.pruner=asha"], ["hydra.sweeper.pruner", "null"]),
    ([M, "hydra/launcher=basic", "hydra.sweeper.pruner=asha"], ["hydra.sweeper.pruner", "hydra/launcher=local"]),
    ([M, "hydra.sweeper.n_trials=0"], ["hydra.sweeper.n_trials", ">= 1", "got 0"]),
    ([M, "hydra.sweeper.n_trials=many"], ["hydra.sweeper.n_trials", "many"]),
    ([M, "+hydra.sweeper.n_trails=5"], ["hydra.sweeper.n_trails", "did you mean 'n_trials'"]),
    ([M, "hydra.sweeper.n_jobs=0"], ["hydra.sweeper.n_jobs", ">= 1"]),
    ([M, "hydra.sweeper.n_jobs=1,2"], ["hydra.sweeper.n_jobs=1,2"]),
    ([M, "hydra.sweeper.retries=-1"], ["hydra.sweeper.retries", ">= 0", "-1"]),
    ([M, "hydra.sweeper.seed=abc"], ["hydra.sweeper.seed", "whole number", "abc"]),
    ([M, "hydra.sweeper.dry_run=maybe"], ["hydra.sweeper.dry_run", "true or false", "maybe"]),
    ([M, "hydra.sweeper.direction=minimise"], ["hydra.sweeper.direction", "minimise"]),
    ([M, "hydra.sweeper.direction=[]"], ["hydra.sweeper.direction", "at least one", "[]"]),
    ([M, "objective=speed"], ["hydra.sweeper.direction", "speed"]),
    ([M, "hydra.sweeper.max_failure_rate=2"], ["hydra.sweeper.max_failure_rate", "0 to 1", "got 2"]),
    ([M, "hydra.sweeper.detach=true"], ["hydra.sweeper.detach"]),
]
LAUNCHER = [
    ([M, "hydra/launcher=locl"], ["hydra/launcher/locl", "local"]),
    ([M, "hydra.launcher.timeout_min=-1"], ["hydra.launcher.timeout_min", "> 0", "-1"]),
    ([M, "hydra.launcher.timeout_min=true"], ["hydra.launcher.timeout_min", "number > 0", "True"]),
    ([M, "hydra.launcher.slots=0"], ["hydra.launcher.slots", ">= 1"]),
    ([M, "+hydra.launcher.slot=2"], ["hydra.launcher.slot", "did you mean 'slots'"]),
    ([M, "hydra.launcher.gpus=99"], ["hydra.launcher.gpus", "visible", "got 99", "null"]),
    ([M, "hydra.launcher.preload=[nowhere]"], ["hydra.launcher.preload", "'nowhere'", "remove"]),
    ([M, "hydra.launcher.preload=['']"], ["hydra.launcher.preload", "''", "remove"]),
    ([M, "hydra.launcher.preload=5"], ["hydra.launcher.preload", "list", "5"]),
    ([M, "hydra/launcher=submitit_local", "hydra.launcher.nodes=2"], ["hydra.launcher.nodes", "must be 1", "got 2"]),
    ([M, SLURM, "hydra.launcher.timeout_min=0"], ["hydra.launcher.timeout_min", ">= 1", "got 0"]),
    ([M, SLURM, "hydra.launcher.mem_gb=4GB"], ["hydra.launcher.mem_gb", "number > 0", "'4GB'", "mem_gb=1"]),
    ([M, SLURM, "hydra.launcher.max_num_timeout=often"], ["hydra.launcher.max_num_timeout", ">= 0", "'often'"]),
    ([M, SLURM, "hydra.launcher.account=[lab]"], ["hydra.launcher.account", "text or null", "['lab']"]),
    ([M, SLURM, "hydra.launcher.additional_parameters=5"], ["hydra.launcher.additional_parameters", "map", "got 5"]),
    (
        [M, SLURM, "+hydra.launcher.additional_parameters.array=0-3"],
        ["hydra.launcher.additional_parameters.array", "left to the launcher", "'0-3'", "hydra.sweeper.n_jobs"],
    ),
    ([M, SLURM, "+hydra.launcher.partitoin=gpu"], ["hydra.launcher.partitoin", "did you mean 'partition'"]),
    ([M, SLURM, "hydra.launcher.cpus_per_gpu=2"], ["hydra.launcher.cpus_per_gpu", "gpus_per_task", "cpus_per_task"]),
    ([M, SLURM, "hydra.launcher.trials_at_once=2"], ["hydra.launcher.trials_at_once", "trials_per_job=1", "got 2"]),
    ([M, SLURM, "+hydra.launcher.wait_for_completion=false"], ["wait_for_completion", "hydra.sweeper.detach=true"]),
    ([M, SLURM, "hydra.launcher.use_srun=no"], ["hydra.launcher.use_srun", "true or false", "'no'"]),
    (
        [M, SLURM, "hydra.launcher.use_srun=false", "hydra.launcher.nodes=2"],
        ["hydra.launcher.use_srun", "true", "nodes x tasks_per_node = 2"],
    ),
    ([M, SLURM, "+hydra.launcher.additional_parameters.mail-type=END,FAIL"], ["mail-type=END,FAIL", "'key=\"a,b\"'"]),
    ([M, SLURM, TPE], ["hydra.sweeper.n_jobs", "TPESampler", "got null"]),
    ([M, SLURM, "hydra.sweeper.detach=true", "hydra.sweeper.pruner=asha"], ["hydra.sweeper.detach", "pruner=asha"]),
]
CONFIG = [
    ([M, "model=mpl"], ["model/mpl", "mlp"]),
    ([M, "model=mpl,linear"], ["model/mpl", "mlp"]),
    (["optimiser=sgd"], ["optimiser"]),
    (["data=mnist"], ["data/mnist", "digits"]),
    (["regularizer=[droput]"], ["regularizer/droput"]),
    (["stage=trian"], ["stage/trian", "train"]),
    (["--config-name", "confg"], ["confg"]),
    (["model.width=8,16"], ["model.width=8,16", "--multirun"]),
    ([M, "optimizer.lr 0.1"], ["optimizer.lr 0.1"]),
    ([M, "optimizer.lr=[1,2"], ["[1,2"]),
    ([M, "--mutlirun"], ["--mutlirun"]),
    (["+model.wdith=3"], ["model.wdith", "did you mean 'width'"]),
    (["model._target_=models.mlp.MPL"], ["model._target_", "importable", "models.mlp.MPL"]),
    (["optimizer._target_=torch.optim.Adm"], ["optimizer._target_", "importable", "torch.optim.Adm"]),
    (["optimizer.lr=-0.1"], ["optimizer.lr must be > 0", "-0.1"]),
    (["optimizer.lr=???"], ["optimizer.lr must be set", "optimizer.lr="]),
    (["optimizer.lr=fast"], ["optimizer.lr must be > 0", "fast", "3e-4"]),
    (["optimizer=sgd", "optimizer.momentum=1.5"], ["optimizer.momentum", "1.5"]),
    (["model.width=wide"], ["model.width must be a whole number", "'wide'", "model.width="]),
    (["model.depth=1.5"], ["model.depth must be a whole number", "1.5", "int(interval("]),
    (["optimizer.lr=true"], ["optimizer.lr must be > 0", "True", "3e-4"]),
    (["optimizer.lr=null"], ["optimizer.lr must be > 0", "None", "3e-4"]),
    (["optimizer.lr=[1]"], ["optimizer.lr must be > 0", "[1]", "3e-4"]),
    (["regularizer=[noise]", "regularizer.noise.std=x"], ["regularizer.noise.std must be a number", "'x'"]),
    (["regularizer=[noise]", "regularizer.noise.std=-1"], ["regularizer.noise.std must be > 0", "-1", "0.1"]),
    (
        ["regularizer=[early_stopping]", "regularizer.early_stopping.patience=x"],
        ["regularizer.early_stopping.patience must be a whole number", "'x'"],
    ),
    (["stage.epochs=many"], ["stage.epochs must be a whole number", "'many'"]),
    (["model.width=0"], ["model.width", "0"]),
    (["model.depth=-1"], ["model.depth", ">= 1", "-1", "linear"]),
    (["seed=a"], ["seed", "whole number", "'a'", "seed=0"]),
    (["regularizer=[dropout]", "model=linear"], ["dropout", "linear"]),
    (["regularizer=[dropout]", "regularizer.dropout.p=1.5"], ["regularizer.dropout.p", "< 1", "1.5"]),
    (["regularizer=[label_smoothing]", "data=diabetes"], ["label_smoothing"]),
    (["model=cnn", "data=wine"], ["model=cnn", "data=wine", "mlp"]),
    (["stage.epochs=0"], ["stage.epochs", ">= 1"]),
    (["stage.batch_size=0"], ["stage.batch_size", ">= 1", "got 0"]),
    (["stage.device=gpu"], ["stage.device", "gpu", "auto"]),
    (["objective=val_los"], ["objective", "val_los", "val_loss"]),
    (["data.split.val=1.2"], ["data.split", "val + test < 1", "1.2"]),
    (["data.split.val=half"], ["data.split", "val > 0", "half", "data.split.val=0.2"]),
    (["data.split=5"], ["data.split", "got 5"]),
    (["data.split.seed=x"], ["data.split.seed", "whole number", "'x'"]),
]
TABLE = ("data=table", "data.path=t.csv")
DATA = [
    (["data=image_folder"], ["data.root must be given", "data.root="]),
    (["data=image_folder", "data.root=/nowhere"], ["data.root must be a folder", "/nowhere", "a folder a class"]),
    (["data=table", "data.path=no.csv", "data.target=y"], ["data.path", "no.csv", "not there", "check the path"]),
    (["data=table", "data.path=text.db", "data.target=y"], ["data.path must have rows", "text.db"]),
    ([*TABLE], ["data.target must be given", "data.target="]),
    ([*TABLE, "data.target=z"], ["data.target must be a column", "got z", "a, b, y"]),
    ([*TABLE, "data.target=y", "+data.split.group=z"], ["data.split.group must be a column", "got z", "a, b, y"]),
    ([*TABLE, "data.target=y", "data.exclude=no.txt"], ["data.exclude must be a readable list", "no.txt"]),
    (["data=npz", "data.path=no.npz"], ["data.path", "no.npz", "not there"]),
    (["data=npz", "data.path=text.db"], ["data.path must be a readable .npz file", "text.db", "numpy.savez"]),
]
STORES = [
    ([M, "hydra.sweeper.storage=sqlite:////proc/nowhere/s.db"], ["hydra.sweeper.storage", "/proc/nowhere/s.db"]),
    ([M, "hydra.sweeper.storage=sqlitee:///s.db"], ["hydra.sweeper.storage", "sqlitee"]),
    (
        [M, "hydra.sweeper.storage=redis://localhost"],
        ["hydra.sweeper.storage", "redis://localhost", "sqlite:///study.db"],
    ),
    ([M, "hydra.sweeper.storage=mysql://u:p@h/s"], ["mysql://u:***@h/s", "MySQLdb", "pip install mysqlclient"]),
    ([M, "hydra.sweeper.storage={_target_: optuna.storages.No}"], ["hydra.sweeper.storage", "optuna.storages.No"]),
    ([M, "hydra.sweeper.storage=sqlite:///text.db"], ["hydra.sweeper.storage", "not a database"]),
    ([M, "tracking=mlfow"], ["tracking", "mlfow"]),
    ([M, "tracking={uri: 'htp://x'}"], ["tracking.uri", "'htp://x'", "did you mean 'http'"]),
    ([M, "tracking={url: x}"], ["tracking", "url", "uri"]),
    ([M, "tracking={uri: ./mlruns}"], ["tracking.uri", "./mlruns", "sqlite:///mlflow.db"]),
    ([M, "tracking={uri: 'sqlite:////proc/no/x.db'}"], ["tracking.uri", "/proc/no/x.db", "mkdir"]),
]
FOLDERS = [
    ([M, "hydra.sweeper.study_name=../up"], ["hydra.sweeper.study_name", "../up"]),
    ([M, "hydra.sweeper.study_name=''"], ["hydra.sweeper.study_name", "one folder name", "''"]),
    ([M, "hydra.sweep.dir=/proc/nope"], ["/proc/nope", "hydra.sweep.dir"]),
    ([M, "hydra.sweep.dir=???"], ["hydra.sweep.dir", "Missing"]),
    ([M, "hydra.sweep.subdir=x"], ["hydra.sweep.subdir", "of its own", "'x'", "${hydra.job.num}"]),
    ([M, "hydra.sweep.subdir=../../out"], ["hydra.sweep.subdir", "inside", "../../out"]),
    ([M, "hydra.sweep.subdir=/abs"], ["hydra.sweep.subdir", "inside", "/abs"]),
]
HYDRA = [  # what Hydra 1.3 answers with a traceback of its own, and what it says by itself
    ([M, "model=5"], ["model=5", "must be a string or a list", "name one of its options"]),
    (["model=null"], ["model=null", "must be a string or a list", "name one of its options"]),
    ([M, "--cfg", "job"], ["--multirun", "--cfg"]),
    (["--resolve"], ["--resolve", "--cfg"]),
    (["--info", "config", "--config-name", "confg"], ["confg"]),
    (["--cfg", "job", "--resolve", "optimizer.lr=${nope}"], ["optimizer.lr", "'nope'", "correct the name"]),
    (["optimizer.lr=${nope}"], ["optimizer.lr must lead to a value", "'nope'", "correct the name"]),
    ([M, "optimizer.lr=${nope}"], ["optimizer.lr must lead to a key", "nope", "correct it"]),
    ([M, "model.width=8,${modl.depth}"], ["model.width", "modl.depth", "did you mean 'model.depth'"]),
    ([M, "hydra.sweeper.n_trials=${nope}"], ["hydra.sweeper.n_trials", "'nope'", "correct the name"]),
    ([M, "+hydra.callbacks.a={_target_: hydra.experimental.callback.Callback, x: '${hydra:job.num}'}"], ["with a dot"]),
    ([M, "hydra.launcher._target_=nowhere.X"], ["nowhere.X", "hydra_plugins"]),
    ([M, "hydra.sweeper._target_=nowhere.X"], ["nowhere.X", "hydra_plugins"]),
    ([M, "+hydra.callbacks.a._target_=nowhere.X"], ["hydra.callbacks.a", "nowhere.X"]),
    ([M, "hydra.verbose=5"], ["verbose", "bool, str"]),
    ([M, "hydra.searchpath=5"], ["hydra.searchpath", "list", "5"]),
    ([M, "+optimizer.lr=1,2"], ["+optimizer.lr", "new key", "write optimizer.lr="]),
    ([M, "optimizer.my-lr=1,2"], ["optimizer.my-lr", "did you mean 'optimizer.lr'"]),
    ([M, "model@nope=mlp"], ["model@nope", "+model@nope=mlp"]),
    ([M, "model@a:b=mlp"], ["model@a:b=mlp"]),
    ([M, "~optimizer.nope"], ["optimizer.nope", "does not exist"]),
    ([M, "--config-path", "nowhere"], ["nowhere"]),
    ([M, "--config-dir", "nowhere"], ["nowhere", "not found"]),
    (["hydra.run.dir=/proc/nope"], ["hydra.run.dir", "/proc/nope"]),
    (["hydra.job_logging.handlers.file.class=nope.X"], ["handler 'file'"]),
]
TRAIN = [*SPACE, *SWEEPER, *LAUNCHER, *CONFIG, *DATA, *STORES, *FOLDERS, *HYDRA]
CONFIGS = [  # a config file of an app's own, and what the line says
    ("m/a.yaml", "a: [1,", ["m/a.yaml", "line 1", "flow node"]),
    ("bad.yaml", "x:\n\ty: 1", ["bad.yaml", "line 2", "'\\t'"]),
    ("bad.yaml", "x: 1\nx: 2", ["bad.yaml", "line 2", "duplicate key x"]),
    ("bad.yaml", "x: a: b", ["bad.yaml", "line 1", "mapping values"]),
    ("bad.yaml", "x: \xff", ["bad.yaml", "utf-8"]),
    ("bad.yaml", "x: ${a", ["${a", "full_key: x"]),
    ("bad.yaml", "defaults: {a: b}", ["'bad'", "defaults must be a list", "mapping"]),
    ("bad.yaml", "defaults: [{m: 5}]", ["defaults", "int", "string or list"]),
    ("bad.yaml", "defaults: [{m: nope}]", ["m/nope"]),
    ("bad.yaml", "defaults: [{m: a, n: b}]", ["bad", "Too many keys", "'n': 'b'"]),
]
ENVIRONMENT = [  # what is not one line to stop at is one line to go on with
    ({"MLFLOW_TRACKING_URI": "./mlruns"}, ["tracking.uri", "./mlruns", "sqlite:///mlflow.db"]),
    ({"MLFLOW_TRACKING_URI": "foo://x"}, ["tracking.uri", "foo://x", "http://"]),
    ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}, ["nothing is lost", "python -m sweeper sync"]),
    ({"MLFLOW_EXPERIMENT_ID": "99"}, ["MLFLOW_EXPERIMENT_ID", "'99'", "MLFLOW_EXPERIMENT_NAME"]),
]
KEPT = {  # what lies in multirun/f when `study_name=f` is asked for, and what the line says
    "a file": (None, ["multirun/f", "a file is in its place"]),
    "torn": ({"study.yaml": "a: [1,"}, ["multirun/f/study.yaml", "readable YAML"]),
    "no study": ({"study.yaml": "a: 1"}, ["multirun/f/study.yaml", "study_id", "start afresh"]),
    "another": ({"study.yaml": "study_id: x\nspace: {a: '1,2'}"}, ["another space", "a: 1,2", "study_name"]),
}
COMMANDS = [
    (["status", "nowhere"], ["nowhere", "study.yaml", "multirun/"]),
    (["retry", "nowhere"], ["nowhere", "study.yaml"]),
    (["sync", "nowhere"], ["nowhere", "study.yaml"]),
    (["cancel", "nowhere"], ["nowhere", "study.yaml"]),
    (["statsu", "x"], ["statsu", "status"]),
    (["status"], ["folder"]),
]


def one_line(done, says):
    assert done.code in (1, 2), done
    for word in says:
        assert word in done.err, (word, done)
    assert "Traceback" not in done.both, done


@pytest.mark.parametrize(("arguments", "says"), TRAIN, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_one_line_and_nothing_left(quick, tmp_path, arguments, says):
    (tmp_path / "text.db").write_text("this is no database " * 100)
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 3},{i % 2}\n" for i in range(60)))
    tracked = any(a.startswith("tracking") for a in arguments)
    done = quick(ROOT / "train.py", *arguments, *([] if tracked else ["tracking=null"]))
    one_line(done, says)
    assert not list(tmp_path.glob("multirun/*")), "a study was made"


@pytest.mark.parametrize("kept", KEPT)
def test_what_is_in_the_way_stays_as_it_was(quick, tmp_path, kept):
    files, says = KEPT[kept]
    folder = tmp_path / "multirun" / "f"
    folder.parent.mkdir()
    if files is None:
        folder.write_text("mine")
    for name, text in (files or {}).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    one_line(quick(ROOT / "train.py", M, F, "tracking=null"), says)
    left = {p.name: p.read_text() for p in folder.iterdir() if p.name != "study.lock"} if files else folder.read_text()
    assert left == (files or "mine")


@pytest.mark.parametrize(("arguments", "says"), COMMANDS, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_commands(quick, tmp_path, arguments, says):
    one_line(quick(ROOT / "sweeper" / "__main__.py", *arguments), says)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("environment", "says"), ENVIRONMENT, ids=lambda v: " ".join(v))
def test_the_environment(quick, environment, says):
    done = quick(ROOT / "train.py", "data=wine", "stage.epochs=1", **environment)
    assert done.code == 0 and "Traceback" not in done.both, done
    assert all(word in done.err for word in says), done


@pytest.mark.parametrize(("name", "text", "says"), CONFIGS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_config_file_is_named(quick, tmp_path, name, text, says):
    (tmp_path / "conf" / name).parent.mkdir(parents=True)
    (tmp_path / "conf" / name).write_text(text, encoding="latin-1")
    asked = "--config-name=bad" if name == "bad.yaml" else "+m=a,b"
    one_line(quick("toy.py", "--config-dir=conf", *SWEEP, asked), says)
    assert not (tmp_path / "s").exists(), "a study was made"


@pytest.mark.parametrize(("name", "folder"), [("HOME", "/nowhere"), ("TMPDIR", "/nowhere"), ("TMPDIR", "/sys")])
def test_folders_that_are_not_there_are_not_needed(quick, name, folder):
    done = quick("toy.py", *SWEEP, "hydra.sweep.dir=s", "hydra.sweeper.n_trials=1", **{name: folder})
    assert done.code == 0, done


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("kib", [0, 4, 8, 12, 16])  # full at another file each
def test_a_disk_that_is_full_before_the_study_is_founded(quick, tmp_path, kib):
    with small_disk(tmp_path / "disk", 4 + kib) as disk:
        (disk / "taken").write_bytes(bytes(4096))
        done = quick("toy.py", *SWEEP, f"hydra.sweep.dir={disk}/s", "x=uniform(0,1)", "hydra.sweeper.n_trials=1")
        one_line(done, ["s", "space"])
        if not list(disk.glob("s/study.yaml")):
            assert list(disk.iterdir()) == [disk / "taken"], "a study was made"


def test_the_traceback_is_there_on_request(run):
    done = run(ROOT / "train.py", "-m", "hydra.sweeper.n_trials=0", HYDRA_FULL_ERROR="1")
    assert done.code == 1 and "Traceback" in done.err


def test_a_read_only_folder_is_one_line(run, tmp_path):
    if os.geteuid() == 0:  # root writes anywhere, except where nobody can
        folder = "/sys/sweep"
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        folder = str(tmp_path / "locked" / "s")
    done = run(
        "toy.py", "-m", "hydra/sweeper=optuna", "hydra/launcher=local", f"hydra.sweep.dir={folder}", "x=uniform(0,1)"
    )
    assert done.code == 1 and folder in done.err and "Traceback" not in done.both, done
