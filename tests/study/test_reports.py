"""Apps out of public bug reports about the peers, as their reporters would have written them, run unchanged.

A row is the report, its app's lines, its config files and its command; ``says`` is the one line that a person gets
where the report's wish can't be met. What a trial must find, the app asserts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.study.test_bad_input import one_line
from tests.study.test_failures import study


class Report(NamedTuple):
    """One of them."""

    task: str  # the task function's lines
    config: str  # conf/config.yaml; what selects the sweeper comes before
    command: str
    says: tuple[str, ...] = ()  # nothing: the sweep succeeds
    before: str = ""  # lines above the task function
    files: Mapping[str, str] = MappingProxyType({})  # others below conf


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
ENUM = """
from dataclasses import dataclass
from enum import Enum
from hydra.core.config_store import ConfigStore

Kind = Enum("Kind", ["A", "B"])

@dataclass
class Typed:
    kind: Kind = Kind.A
    size: int = 1

ConfigStore.instance().store(name="typed", node=Typed)
"""
ENV = "import submitit; env = submitit.JobEnvironment(); assert (env.num_tasks, env.global_rank) == (1, 0); env.paths"
GRID = "hydra: {sweeper: {sampler: {_target_: optuna.samplers.GridSampler, search_space: {x: [1, 2]}}}}"
LEFT = "hydra: {sweeper: {sampler: {_target_: optuna.samplers.RandomSampler, seed: 1}}}"
SUBDIR = "hydra: {sweep: {subdir: '${hydra:job.override_dirname}'}}"
CWD = "hydra: {sweep: {dir: '${hydra:runtime.cwd}/s'}}"
JOBLIB = "# @package _global_\ndefaults: [{override /hydra/launcher: joblib}]\n"
TYPED = "--config-name=typed hydra/sweeper=optuna "
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
    report = REPORTS[name]
    files = {"config.yaml": f"defaults: [_self_, {{override hydra/sweeper: optuna}}]\nx: 1.0\n{report.config}\n"}
    for path, text in {**files, **report.files}.items():
        (tmp_path / "conf" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / path).write_text(text)
    app = tmp_path / "app.py"
    app.write_text(APP.format(before=report.before, task=report.task or "pass"))
    given = ["hydra.sweep.dir=s"] if "sweep: {dir" not in report.config else []
    done = quick(app, "-m", *report.command.split(), *given, "hydra.sweeper.tracking=null", "hydra.sweeper.n_trials=2")
    if report.says:
        one_line(done, report.says)
        assert not (tmp_path / "s").exists(), "a study was made"
        return
    assert done.code == 0, done
    assert [t.state.name for t in study(tmp_path / "s").trials] == ["COMPLETE"] * 2
