"""Apps out of public bug reports about the peers, as their reporters would have written them, run unchanged.

A row is the report, its app's lines, its config files and its command; ``says`` is the one line that a person gets
where the report's wish can't be met. What a trial must find, the app asserts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import optuna
import pytest

from tests.study.test_bad_input import one_line
from tests.study.test_failures import study


class Report(NamedTuple):
    """One of them."""

    task: str  # the task function's lines
    config: str  # conf/config.yaml; what selects the sweeper comes before
    command: str
    says: tuple[str, ...] = ()  # where a trial fails, among other lines; nothing: the sweep succeeds
    before: str = ""  # lines above the task function
    files: Mapping[str, str] = MappingProxyType({})  # others below conf
    states: tuple[str, str] = ("COMPLETE", "COMPLETE")
    notes: tuple[str, ...] = ()  # of a line that a sweep says which goes on


STRUCTURED = """
from dataclasses import dataclass, field
from typing import Any
from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_optuna_sweeper.config import Direction, OptunaSweeperConf, TPESamplerConfig
from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf

def searched():
    return OptunaSweeperConf(
        n_trials=3, n_jobs=1, direction=Direction.maximize, sampler=TPESamplerConfig(seed=1),
        params={"x": "interval(1, 2)"},
    )

@dataclass
class Search:
    defaults: list[Any] = field(default_factory=lambda: ["_self_", {"override hydra/sweeper": "optuna"}])
    hydra: HydraConf = field(default_factory=lambda: HydraConf(sweeper=searched()))
    x: float = 0.0

@dataclass
class Mine(LocalQueueConf):
    timeout_min: int = 10

ConfigStore.instance().store(name="structured", node=Search)
ConfigStore.instance().store(group="hydra/launcher", name="mine", node=Mine)
"""
STORED_OPTIONS = """
from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_optuna_sweeper.config import OptunaSweeperConf, TPESamplerConfig
from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf

store = ConfigStore.instance().store
store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConf(params={"x": "interval(1, 2)"}))
store(group="hydra/launcher", name="submitit_local", node=LocalQueueConf(timeout_min=7))
"""
ENUM = """
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional
from hydra.core.config_store import ConfigStore

Kind = Enum("Kind", ["A", "B"])

@dataclass
class Part:
    n: int = 1

@dataclass
class Typed:
    x: float = 1.0
    kind: Kind = Kind.A
    size: int = 1
    part: Optional[Part] = None
    by_kind: dict[Kind, int] = field(default_factory=lambda: {Kind.A: 1})

ConfigStore.instance().store(name="typed", node=Typed)
"""
ENV = "import submitit; env = submitit.JobEnvironment(); assert (env.num_tasks, env.global_rank) == (1, 0); env.paths"
GRID = "hydra: {sweeper: {sampler: {_target_: optuna.samplers.GridSampler, search_space: {x: [1, 2]}}}}"
LEFT = "hydra: {sweeper: {sampler: {_target_: optuna.samplers.RandomSampler, seed: 1}}}"
SUBDIR = "hydra: {sweep: {subdir: '${hydra:job.override_dirname}'}}"
CWD = "hydra: {sweep: {dir: '${hydra:runtime.cwd}/s'}}"
READ = """
here: null
num: null
hydra: {sweeper: {study_name: '${hydra:job.name}', params: {here: '${hydra:runtime.cwd}', num: '${hydra:job.num}'}}}
"""
JOBLIB = "# @package _global_\ndefaults: [{override /hydra/launcher: joblib}]\n"
TYPED = "--config-name=typed hydra/sweeper=optuna "
MINE = """
import optuna
from hydra.experimental.callback import Callback

def where(sweeper):
    return {"study_name": sweeper.study_name, "storage": sweeper.storage}

class Create(Callback):
    def on_multirun_start(self, config, **_):
        study = optuna.create_study(**where(config.hydra.sweeper), pruner=optuna.pruners.NopPruner())
        study.enqueue_trial({"x": 0.25})
"""
LOAD = """
    study, number = optuna.load_study(**where(HydraConfig.get().sweeper)), HydraConfig.get().job.num
    trial = optuna.Trial(study, study.trials[number]._trial_id)
    trial.set_user_attr("model", f"m{number}")
    assert cfg.x == trial.params["x"] and (number or cfg.x == 0.25)
    trial.report(cfg.x, 0)
    if number:
        assert study.trials[0].user_attrs["model"] == "m0"
        raise optuna.TrialPruned
"""
TOLD = LOAD.partition("    trial =")[0] + "    study.tell(number, cfg.x)"
STORED = """
hydra:
  callbacks: {create: {_target_: __main__.Create}}
  sweeper: {storage: 'sqlite:///s.db', study_name: mine}
"""
RESOLVER = "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('mine', lambda: 'foo', replace=True)"
AGAIN = "from omegaconf import OmegaConf; OmegaConf.register_new_resolver('once', lambda: 1); assert cfg.o == 1"
NAMED = "hydra: {sweep: {subdir: '${hydra.job.override_dirname}'}}"
BUT_PATH = NAMED.replace("}}}", "}}, job: {config: {override_dirname: {exclude_keys: [+path]}}}}").replace(
    "override_dirname}'", "num}-${hydra.job.override_dirname}'"
)
LIMITS = """
hydra:
  sweeper:
    params:
      +lims: "{low: 0.5, high: 1.1}, {low: 0.7, high: 1.15}"
"""
EXPERIMENT = """# @package _global_
hydra:
  sweeper:
    params:
      +compile.lr: 1e-2,1e-3
      train/loss: bce,dice
"""
LOSSES = {"train/loss/bce.yaml": "name: bce", "train/loss/dice.yaml": "name: dice"}
FORMAT = "from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('fmt', lambda v: f'{v:.0e}')"
UUID = FORMAT.replace("'fmt', lambda v: f'{v:.0e}'", "'uuid', lambda: uuid4().hex, use_cache=True")
NAMED_ONCE = "id: '${uuid:}'\nhydra: {sweep: {subdir: '${id}'}}"
MY_FOLDER = """
    own = HydraConfig.get()
    assert own.runtime.output_dir.endswith(f"{own.sweep.dir}/{own.sweep.subdir}")
"""
THIS_TIME = """
    own = HydraConfig.get().sweep
    assert cfg.now == own.dir[-15:] and own.subdir.startswith(f"{cfg.now}-{cfg.x}-")
"""
TIMED = """
now: ${now:%H-%M-%S-%f}
hydra: {sweep: {dir: 's/${now:%H-%M-%S-%f}', subdir: '${now}-${x}-${now:%f}'}}
"""
CLEARED = """
    import os, shutil
    own = HydraConfig.get().runtime.output_dir
    shutil.rmtree(own) if cfg.x == 1 else os.rename(own, f"{own}-done")
"""
ONCE_MORE = """
    import os, subprocess, sys
    if "ONCE_MORE" not in os.environ:
        command = [sys.executable, *sys.argv, "hydra.output_subdir=null"]
        again = subprocess.check_output(command, env={**os.environ, "ONCE_MORE": "1"}, text=True)
        assert again == f"RUN {cfg.x}\\n", again
    else:
        print(HydraConfig.get().mode.name, cfg.x)
"""
LOGGED = """
    with mlflow.start_run():
        mlflow.log_metric("x", cfg.x)
"""
SWEEPS = {
    "sweep/a.yaml": "# @package _global_\nof: a\nhydra: {sweeper: {n_trials: 9, params: {x: 'choice(2, 3)'}}}",
    "sweep/b.yaml": "# @package _global_\nof: b\nhydra: {sweeper: {params: {x: 'choice(4, 5)'}}}",
}
OTHER_CHOICES = """
import optuna
theirs = optuna.create_study(study_name="theirs", storage="sqlite:///s.db", load_if_exists=True)
if not theirs.trials:
    theirs.ask({"x": optuna.distributions.CategoricalDistribution([64, 128])})
"""
OWN = """
import optuna
class Mine(optuna.samplers.RandomSampler):
    def __init__(self, bound, seed):
        super().__init__(seed)
        self.bound = bound
    def sample_independent(self, *asked):
        return min(super().sample_independent(*asked), self.bound)
"""
PARALLEL = """
    from joblib import Parallel, delayed
    from multiprocessing import get_context
    assert Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]
    with get_context("spawn").Pool(1) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]
"""
TRAIN_ON = """
import sweeper, time
def train(x):
    for step in range(200):
        sweeper.report(step=step, loss=x)
        time.sleep(0.05)
"""
THRESHOLD = "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:0.5}"
REPORTS = {
    "hydra#2020, structured configs": Report(
        *("assert 1 <= cfg.x <= 2", "", "--config-name=structured hydra/launcher=mine"), before=STRUCTURED
    ),
    "hydra#849, JobEnvironment": Report(ENV, "", "hydra/launcher=submitit_local x=1,2"),
    "hydra#1344, hydra: in subdir": Report(
        "assert HydraConfig.get().runtime.output_dir[-3:-1] == 'x='", SUBDIR, "x=1,2"
    ),
    "hydra#2247, hydra: in sweep.dir": Report("", CWD, "x=1,2"),
    "hydra#2003, keys of another sampler": Report("", LEFT, "hydra/sweeper/sampler=tpe x=interval(0,1)"),
    "hydra#1815, grid": Report(
        *("", GRID, "x=1,2"), says=("hydra.sweeper.sampler.search_space must be null", 'params: {x: "choice(1, 2)"}')
    ),
    "hydra#2946, a trial's launcher": Report(
        *("", "", "+experiment=a,b"),
        says=("hydra/launcher must be the sweep's", "joblib from +experiment=a", "add hydra/launcher=joblib"),
        files={"experiment/a.yaml": JOBLIB, "experiment/b.yaml": "# @package _global_\nx: 3\n"},
    ),
    "a key that a searched option brings": Report(
        *("assert cfg.db.lr in (5, 6)", "", "+db=a,b db.lr=5,6"), files={"db/a.yaml": "lr: 1", "db/b.yaml": "lr: 2"}
    ),
    "an option that must be chosen": Report(
        *("assert cfg.db.lr in (1, 2)", "", "--config-name=must db=a,b"),
        files={
            "must.yaml": "defaults: [{db: '???'}, {override hydra/sweeper: optuna}]\nx: 1.0\n",
            **{"db/a.yaml": "lr: 1", "db/b.yaml": "lr: 2"},
        },
    ),
    "enum": Report("", "", TYPED + "kind=A,C", says=("kind (command", "got C of A,C", "expected one of"), before=ENUM),
    "int": Report(
        *("", "", TYPED + "size=interval(1,2.5)"), says=("size (command line)", "got 1.0 of", "int(…)"), before=ENUM
    ),
    "hydra#1954, #2293, a study of one's own": Report(
        *(LOAD, STORED, "x=interval(0,1) hydra.sweeper.n_jobs=1"), before=MINE, states=("COMPLETE", "PRUNED")
    ),
    "optuna#4862, trials that another has told": Report(
        *(TOLD, STORED, "x=interval(0,1) hydra.sweeper.n_jobs=1"), before=MINE
    ),
    "hydra#861, a resolver": Report(
        "assert cfg.y == 'foo'", "y: '${mine:}'", "hydra/launcher=submitit_local x=1,2", before=RESOLVER
    ),
    "sesemi#16, a resolver registered by each job": Report(AGAIN, "o: '${once:}'", "hydra/launcher=local x=1,2"),
    "hydra#1376, #1766, a sweep in an experiment": Report(
        "assert cfg.compile.lr in (0.01, 0.001) and cfg.train.loss.name in ('bce', 'dice')",
        "defaults: [{train/loss: bce}]",
        "+experiment=e",
        files={"experiment/e.yaml": EXPERIMENT, **LOSSES},
    ),
    "hydra#1832, lists and dicts in override_dirname": Report(
        "assert cfg.layers in ([1, 2], [3]) and cfg.d.a == 1", NAMED, "+layers=[1,2],[3] +d={a:1} +text='k=v,w'"
    ),
    "hydra#1832, paths in override_dirname": Report("", NAMED, "+path=/data/a,/data/b"),
    "PaddleScience#577, without the paths": Report("", BUT_PATH, "+path=/data/a,/data/b x=1,2"),
    "hydra#1258, dicts": Report("assert cfg.lims.high == (1.1 if cfg.lims.low == 0.5 else 1.15)", LIMITS, ""),
    "hydra#3106, dicts on the command line": Report(
        "assert cfg.a.x in (1, 2) and cfg.b.y in (10, 20)", "", "+a={x:1},{x:2} +b={y:10},{y:20}"
    ),
    "hydra#2888, a key of the searched options alone": Report(
        *("", "defaults: [{db: none}]", "db=a,b db.port=8081"),
        says=("db.port", "+db.port=8081"),
        files={"db/none.yaml": "{}", "db/a.yaml": "port: 1", "db/b.yaml": "port: 2"},
    ),
    "hydra#2888, its workaround": Report(
        *("assert cfg.db.port == 8081", "defaults: [{db: none}]", "db=a,b ++db.port=8081"),
        files={"db/none.yaml": "{}", "db/a.yaml": "port: 1", "db/b.yaml": "port: 2"},
    ),
    "hydra#3047, a space an option": Report(
        *("assert cfg.test.lam in cfg.test.of", "defaults: [{test: a}]", "test=glob(*)"),
        files={
            "test/a.yaml": "{lam: 0, of: [0, 100], space: {lam: 'choice(0, 100)'}}",
            "test/b.yaml": "{lam: 0, of: [0, 1], space: {lam: 'choice(0, 1)'}}",
        },
    ),
    "hydra#964, #1320, pools within a job": Report(PARALLEL, "", "hydra/launcher=local x=1,2"),
    "hydra#2284, each failure": Report(
        "raise Exception('ex')", "", "hydra/launcher=local x=1,2", states=("FAIL", "FAIL")
    ),
    "lightning-hydra-template#225, grid": Report(
        "", "hydra: {sweeper: {sampler: {_target_: optuna.samplers.GridSampler, seed: 1}}}", "x=1,2"
    ),
    "hydra#1615, another sweeper's keys": Report(
        *("", "", "hydra/sweeper=basic +search=ours x=1,2"),
        says=("hydra.sweeper.n_startup", "BasicSweeperConf"),
        files={"search/ours.yaml": "# @package _global_\nhydra: {sweeper: {n_startup: 3}}"},
    ),
    "hydra#2555, ordered": Report("assert cfg.x in (1, 2)", "", "x=tag(ordered,choice(1,2))"),
    "hydra#1505, names that fewer digits make the same": Report(
        *(MY_FOLDER, "hydra: {sweep: {subdir: '${fmt:${x}}'}}", "hydra/launcher=local x=interval(1,1.01)"),
        before=FORMAT,
    ),
    "hydra#1505, job by job": Report("", "hydra: {sweep: {subdir: '${fmt:${x}}'}}", "x=1.0,1.01", before=FORMAT),
    "hydra#2296, a name that is asked once": Report(
        *("assert HydraConfig.get().runtime.output_dir.endswith('/' + cfg.id)", NAMED_ONCE),
        *("hydra/launcher=local x=1,2", (), "from uuid import uuid4\n" + UUID),
    ),
    "hydra#2296, job by job": Report(MY_FOLDER, NAMED_ONCE, "x=1,2", before="from uuid import uuid4\n" + UUID),
    "hydra#2296, the sweep's time": Report(THIS_TIME, TIMED, "hydra/launcher=local x=1,2"),
    "hydra#1149, a folder cleared or moved": Report(CLEARED, "", "hydra/launcher=local x=1,2"),
    "a file whose name is no UTF-8": Report(
        "open(b'caf\\xe9'.decode(errors='surrogateescape'))", "", "hydra/launcher=local x=1,2", states=("FAIL", "FAIL")
    ),
    "ray#32810, wandb#4990, reports from a spawned process": Report(
        """
    from multiprocessing import get_context
    child = get_context("spawn").Process(target=train, args=(cfg.x,))
    child.start()
    child.join()
    with open(HydraConfig.get().runtime.output_dir + "/events.0.jsonl") as record:
        assert f'"step":3,"values":{{"loss":{float(cfg.x)}}}' in record.read()
    import os
    assert not os.path.exists("events.0.jsonl")
    """,
        *("", "hydra/launcher=local x=1,2"),
        before="import sweeper\ndef train(x):\n    sweeper.report(step=3, loss=x)",
    ),
    "a scheduler that stops what a process of the trial reports": Report(
        """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    with ProcessPoolExecutor(1, mp_context=get_context("fork" if cfg.x == 1 else "spawn")) as pool:
        try:
            pool.submit(train, cfg.x).result()
        except Exception:
            raise RuntimeError("one of the processes died") from None
    """,
        *("", f"hydra/launcher=local x=1,2 {THRESHOLD}"),
        before=TRAIN_ON,
        states=("PRUNED", "PRUNED"),
    ),
    "steps that are fractions of an epoch": Report(
        *("sweeper.report(step=1, loss=1); sweeper.report(step=0.5, loss=1)", "", "hydra/launcher=local x=1,2"),
        *(("report(step=…) must be a whole number of 64 bits, got 0.5",),),
        before="import sweeper",
        states=("FAIL", "FAIL"),
    ),
    "a step in picoseconds since the epoch": Report(
        *("sweeper.report(step=1795777341676672 * 10**6, loss=1)", "", "hydra/launcher=local x=1,2"),
        *(("report(step=…) must be a whole number of 64 bits",),),
        before="import sweeper",
        states=("FAIL", "FAIL"),
    ),
    "an exception that can't say what it says": Report(
        *("raise Speechless", "", "hydra/launcher=local x=1,2", ("FAIL Speechless: its text can't be shown",)),
        before="class Speechless(Exception):\n    def __str__(self):\n        return self.code",
        states=("FAIL", "FAIL"),
    ),
    "an exception in colour": Report(
        *(r"raise ValueError('\x1b[31mred\x1b[0m \x00text')", "", "hydra/launcher=local x=1,2"),
        *(("FAIL ValueError: red text 0",),),
        states=("FAIL", "FAIL"),
    ),
    "Lightning#11300, a trial that starts itself once more": Report(
        ONCE_MORE, "hydra: {mode: MULTIRUN}", "hydra/launcher=local x=1,2"
    ),
    "hydraflow#245, runs of the app's own in MLflow": Report(
        LOGGED, "", "hydra/launcher=local x=1,2", before="import mlflow\nmlflow.set_tracking_uri('sqlite:///a%2Cb.db')"
    ),
    "hydra#2807, a sweep over sweeps": Report(
        "assert cfg.x in {'a': (2, 3), 'b': (4, 5)}[cfg.of]", "of: null", "+sweep=a,b", files=SWEEPS
    ),
    "an option on hydra.searchpath": Report(
        *("assert cfg.extra.k in (1, 2)", "hydra: {searchpath: ['file://more']}", "+extra=a,b"),
        files={"../more/extra/a.yaml": "k: 1", "../more/extra/b.yaml": "k: 2"},
    ),
    "hydra#3055, a glob of a folder below": Report(
        *("", "", "+m=glob(below/*)"),
        says=("+m (command line)", "folder/below=glob(*)"),
        files={"m/below/a.yaml": "{}"},
    ),
    "optuna#2199, other choices for a study that is there": Report(
        *("", "hydra: {sweeper: {storage: 'sqlite:///s.db', study_name: theirs}}", "x=choice(64,128,256)"),
        says=("x (command line)", "'theirs'", "choices=(64, 128)", "got choice(64,128,256)", "another study_name"),
        before=OTHER_CHOICES,
    ),
    "a sampler of the app's own": Report(
        *(
            "assert cfg.x <= 0.1",
            "hydra: {sweeper: {sampler: {_target_: __main__.Mine, bound: 0.1}}}",
            "x=interval(0,1)",
        ),
        before=OWN,
    ),
    "optuna#4121, a sampler that has tried all": Report(
        *("", "hydra: {sweeper: {n_jobs: 1, sampler: {_target_: optuna.samplers.BruteForceSampler}}}", "x=1,2")
    ),
    "hydra#1258, mappings for what is also a group": Report(
        *("assert cfg.rep == (4 if cfg.name == 'b' else 2)", "defaults: [{task: a}]", "+task={name:b,rep:4},{rep:2}"),
        files={"task/a.yaml": "# @package _global_\ntask: {name: a}\nname: ${task.name}\nrep: ${task.rep}\n"},
    ),
    "hydra#2798, a group with a dot": Report(
        *("", "defaults: [{m: a}]", "m.seeds=b,c"),
        says=("m.seeds (command line) must be written m/seeds to choose", "got b,c"),
        files={"m/a.yaml": "defaults: [{seeds: b}]\n", "m/seeds/b.yaml": "n: 1", "m/seeds/c.yaml": "n: 2"},
    ),
    "hydra#2798, a group with a dot, elsewhere": Report(
        *("", "defaults: [{opt@m.opt: b}]", "m.opt=b,c"),
        says=("m.opt (command line) must be written opt@m.opt to choose", "got b,c"),
        files={"opt/b.yaml": "n: 1", "opt/c.yaml": "n: 2"},
    ),
    "hydra#2919, presets whose spaces multiply": Report(
        "assert cfg.foo in (1, 2) and cfg.baz in {'a': (1, 2), 'b': (3, 4)}[cfg.name]",
        "defaults: [{optional two: null}, {optional one: null}]\nfoo: ???\nbaz: ???\nname: ???",
        "one=a two=choice(a,b)",
        files={
            "one/a.yaml": "# @package _global_\nhydra: {sweeper: {params: {foo: 'choice(1,2)'}}}",
            "two/a.yaml": "# @package _global_\nname: a\nhydra: {sweeper: {params: {baz: 'choice(1,2)'}}}",
            "two/b.yaml": "# @package _global_\nname: b\nhydra: {sweeper: {params: {baz: 'choice(3,4)'}}}",
        },
    ),
    "hydra#3427, hydra: in what the sweep reads": Report(
        *(
            "assert cfg.here == HydraConfig.get().runtime.cwd and cfg.num in (0, 1)",
            READ,
            "x=1,2 hydra/launcher=submitit_local",
        ),
    ),
    "hydra#2453, options that the app has stored under names of ours": Report(
        *(
            "assert 1 <= cfg.x <= 2 and HydraConfig.get().launcher.timeout_min == 7",
            "",
            "hydra/launcher=submitit_local",
        ),
        before=STORED_OPTIONS,
    ),
    "hydra#1513, a batch of which one fails": Report(
        *(
            "assert cfg.x != 1",
            "hydra: {sweeper: {n_jobs: 2, max_failure_rate: 0}}",
            "x=1,2 hydra/sweeper/sampler=grid",
        ),
        states=("FAIL", "COMPLETE"),
    ),
    "hydra#2381, an option that asks the launcher for more": Report(
        *("", "defaults: [{m: a}]", "m=a,b hydra/launcher=local"),
        files={"m/a.yaml": "{}", "m/b.yaml": "# @package _global_\nhydra: {launcher: {timeout_min: 9, mem_gb: 9}}"},
        notes=("hydra.launcher.timeout_min of m=b has no effect", "hydra.launcher.mem_gb of m=b has no effect"),
    ),
    "keys that are an enum's": Report(
        *("assert cfg.by_kind[Kind.A] in (4, 5)", "", TYPED + "by_kind.A=4,5"), before=ENUM
    ),
    "hydraflow#77, a task that goes to another folder": Report("import os; os.chdir('/')", "", "x=1,2"),
    "hydra#1872, a value that leads to a searched new key": Report(
        "assert cfg.name in ('a', 'b')", "name: null", "+sweep={name:a},{name:b} name=${sweep.name}"
    ),
    "hydra#1258, which of the values the config refuses": Report(
        *("", "d: {}", "x=interval(0,1) d={a:1},{b:2}"),
        ("d (command line)", "got {a:1}", "to append to your config use +d={a:1}"),
    ),
    "hydra#1384, a folder name that is too long": Report(
        "", SUBDIR, f"+t=b,{'c' * 300} hydra/launcher=local", ("hydra.sweep.subdir", "too long", "exclude_keys")
    ),
    "a zero of either sign": Report("assert str(cfg.x) in ('0.0', '-0.0')", "", "x=0.0,-0.0"),
    "a range that goes down": Report("assert cfg.x in (5, 3)", "", "x=range(5,1,-2) hydra/sweeper/sampler=grid"),
    "options whose names are numbers": Report(
        *("assert cfg.db.lr in (1, 2)", "", "+db=glob(*)"),
        files={"db/1.yaml": "lr: 1", "db/2.yaml": "lr: 2"},
    ),
    "hydra#1884, a callback that asks which function it is": Report(
        *("assert open('name').read() == 'main'", "hydra: {callbacks: {c: {_target_: __main__.Named}}}", "x=1,2"),
        before="""
from pathlib import Path
import inspect
class Named(Callback):
    def on_job_start(self, config, *, task_function, **kwargs):
        assert inspect.getsource(task_function)
        Path("name").write_text(task_function.__name__)
""".replace("class", "from hydra.experimental.callback import Callback\nclass"),
    ),
    "YAML that splits a distribution": Report(
        "", "hydra: {sweeper: {params: {x: interval(0,1)}}}", "", ("hydra.sweeper.params", "'1)'", "comma")
    ),
    "YAML that splits choices": Report(
        "", "hydra: {sweeper: {params: {x: 1,2}}}", "", ("hydra.sweeper.params", "'2'", "comma")
    ),
    "a space of the app's own": Report(
        "", "env: {space: {n: 'choice(1,2)', other: b}, n: 4}", "", ("env.other", "hydra.sweeper.search=[]")
    ),
    "hydra#1052, a group or none": Report(
        *("assert cfg.get('db') is None or cfg.db.lr == 1", "", "+db=a,b"),
        files={"db/a.yaml": "lr: 1", "db/b.yaml": "# @package _global_\nx: 2.0"},
    ),
}
APP = """
import hydra
from hydra.core.hydra_config import HydraConfig
{before}
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    {task}
    return float(cfg.x)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("name", REPORTS)
def test_an_app_out_of_a_report(quick, tmp_path: Path, name: str) -> None:
    rebuild(quick, tmp_path, REPORTS[name])


def rebuild(quick, tmp_path: Path, report: Report) -> None:
    """Run a report's app, and see that its states, or its line, are those that the row expects."""
    files = {"config.yaml": f"defaults: [_self_, {{override hydra/sweeper: optuna}}]\nx: 1.0\n{report.config}\n"}
    if report.config.startswith("defaults: ["):
        mine, _, rest = report.config.removeprefix("defaults: [").partition("]")
        files["config.yaml"] = f"defaults: [{mine}, _self_, {{override hydra/sweeper: optuna}}]\nx: 1.0\n{rest}\n"
    for path, text in {**files, **report.files}.items():
        (tmp_path / "conf" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / path).write_text(text)
    app = tmp_path / "app.py"
    app.write_text(APP.format(before=report.before, task=report.task or "pass"))
    given = ["hydra.sweep.dir=s"] if "sweep: {dir" not in report.config else []
    ours = ["hydra.sweeper.tracking=null", "hydra.sweeper.n_trials=2"] if "sweeper=basic" not in report.command else []
    done = quick(app, "-m", *report.command.split(), *given, *ours)
    if report.says and "FAIL" not in report.states:
        one_line(done, report.says)
        assert not (tmp_path / "s").exists(), "a study was made"
        return
    assert done.code == ("FAIL" in report.states) and "Traceback" not in done.both, done
    assert all(word in done.err for word in report.says), done
    assert all(note in done.err for note in report.notes), done
    stored = f"sqlite:///{tmp_path}/s.db"
    found = (
        optuna.load_study(study_name="mine", storage=stored)
        if report.before == MINE
        else study(next(tmp_path.rglob("study.journal")).parent)
    )
    assert tuple(t.state.name for t in found.trials) == report.states
