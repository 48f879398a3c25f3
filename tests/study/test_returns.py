"""What a task function may return: anything that is a number counts, all else is a failed trial that says so."""

from __future__ import annotations

import math

import pytest

from tests.study.test_failures import results, study

NUMBERS = {
    **{"float": 0.5, "int": 3, "bool": 1, "decimal": 0.25, "numpy": 0.5, "numpy_int": 7, "torch": 0.5},
    **{"torch_half": 1.5, "tuple": 0.5, "list": 2.5, "infinite": -math.inf, "number_as_text": 0.5},
}
REFUSED = {
    "none": "the task function must return a number, got 'None'",
    "diverged": "the objective is nan",
    "torch_nan": "the objective is nan",
    "text": "the task function must return a number, got 'ready'",
    "two": "the task function must return 1 number(s), as hydra.sweeper.direction says, got 2",
    "dict": "the task function must return a number, got \"{'loss': 1.0}\"",
    "many": "the task function must return a number, got 'tensor([1., 1., 1.])'",
    "complex": "the task function must return a number, got '1j'",
}


@pytest.mark.parametrize("launcher", ["local", pytest.param("joblib", marks=pytest.mark.long)])
def test_returns(run, tmp_path, launcher):
    kinds = [*NUMBERS, *REFUSED]
    sweep = ("hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", f"hydra/launcher={launcher}", "hydra.sweep.dir=s")
    preload = ("hydra.launcher.preload=[torch]",) if launcher == "local" else ()
    done = run(
        *("kinds.py", "-m", *sweep, *preload, "hydra.sweeper.tracking=null"),
        *(f"kind={','.join(kinds)}", f"hydra.sweeper.n_trials={len(kinds)}"),
    )
    assert done.code == 1, done
    trials = {kinds[t.number]: t for t in study(tmp_path / "s").trials}
    assert {kind: t.value for kind, t in trials.items() if t.state.name == "COMPLETE"} == NUMBERS
    assert {kinds[f["number"]]: f["reason"] for f in results(tmp_path / "s")["failed_trials"]} == REFUSED
    assert "Traceback" not in done.err
