"""Apps out of public bug reports, as in ``test_reports.py``: keys and values of the app's own, and of the peers'."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.study.test_reports import ENUM, TYPED, Report, rebuild

JOBS_OWN = """
seed: ${hydra:job.num}
objective: ${hydra:runtime.output_dir}
recipe: ${hydra:job.name}
data: ${hydra:job.id}
"""
NUMBERS = """
hydra:
  launcher: {timeout_min: '${oc.env:T}', cpus_per_task: '${oc.env:T}'}
  sweeper: {n_jobs: '${oc.env:N}', max_failure_rate: '${oc.env:T}e-1', sampler: {seed: '${oc.env:N}'}}
"""
REPORTS = {
    "hydra#1270, the job's number as the app's seed": Report(
        "assert cfg.seed == HydraConfig.get().job.num and cfg.objective", JOBS_OWN, "hydra/launcher=local x=1,2"
    ),
    "numbers out of the environment": Report(
        "", NUMBERS, "hydra/launcher=submitit_local x=1,2,3", before="import os; os.environ.update(N='2', T='9')"
    ),
    "a mapping for a part that is none": Report(
        *("", "", TYPED + "part={n:1},null", ("part (command line)", "got {n:1} of {n:1},null")), before=ENUM
    ),
    "which of two keys is refused": Report(
        *("", "", TYPED + "+by_kind.C=1,2 size=1,2", ("+by_kind.C (command line)", "got 1 of 1,2")), before=ENUM
    ),
    "casts": Report("assert (type(cfg.a), type(cfg.b)) == (str, bool)", "", "+a=str(choice(1,2)) +b=bool(0,1)"),
    "constraints by the name of a function": Report(
        "",
        "hydra: {sweeper: {sampler: {_target_: optuna.samplers.TPESampler, constraints_func: __main__.above}}}",
        *("hydra/launcher=local x=interval(0,1)", ()),
        "def above(trial):\n    return (trial.params['x'] - 0.5,)",
    ),
}


@pytest.mark.parametrize("name", REPORTS)
def test_an_app_out_of_a_report(quick, tmp_path: Path, name: str) -> None:
    rebuild(quick, tmp_path, REPORTS[name])
