"""What ``docs/migrating.md`` says of Ray Tune's and W&B's words: each is taken here, and draws what it should."""

from __future__ import annotations

import re

import pytest

DRY = (
    "-m",
    "hydra/sweeper=optuna",
    "hydra/launcher=local",
    "hydra.sweeper.dry_run=true",
    "hydra.sweeper.tracking=null",
)
WORDS = {  # ours, for theirs: what a value must be
    "+a=loguniform(1e-4,1e-1)": lambda v: 1e-4 <= float(v) <= 1e-1,  # tune.loguniform, log_uniform_values
    "+b=uniform(-1,1)": lambda v: -1 <= float(v) <= 1,  # tune.uniform, uniform
    "+c=choice(p,q)": lambda v: v in ("p", "q"),  # tune.choice, categorical
    "+d=int(interval(1,9))": lambda v: v in map(str, range(1, 10)),  # tune.randint(1, 10), int_uniform
    "+e=range(0,1,step=0.25)": lambda v: float(v) in (0, 0.25, 0.5, 0.75, 1),  # tune.quniform, q_uniform
    "+f=tag(log,int(interval(1,99)))": lambda v: v in map(str, range(1, 100)),  # tune.lograndint(1, 100)
    "+g=range(0,50,step=5)": lambda v: v in map(str, range(0, 51, 5)),  # tune.qrandint
    "+h=true,false": lambda v: v in ("true", "false"),  # categorical
    "y=0.5": lambda v: v == "0.5",  # value: 0.5
}
KEYS = {  # ours, for theirs: what the dry run says
    "hydra/sweeper/sampler=grid x=1,2": "2 trials (the space has 2 points)",  # grid_search, method: grid
    "hydra/sweeper/sampler=grid x=1,2 hydra.sweeper.repeats=2": "4 trials (the space has 2 points)",  # num_samples=2
    "hydra.sweeper.direction=maximize hydra.sweeper.max_failure_rate=0": "20 trials",  # goal, fail_fast
    "hydra/sweeper/sampler=tpe hydra.sweeper.n_jobs=4": "TPESampler",  # method: bayes, max_concurrent_trials
    "hydra/sweeper/sampler=gp hydra.sweeper.retries=3": "GPSampler",  # FailureConfig(max_failures=3)
    "hydra.sweeper.pruner=asha hydra.sweeper.monitor=loss": "20 trials",  # ASHAScheduler, metric
    "hydra.sweeper.pruner={name:hyperband,min_resource:3,reduction_factor:3}": "20 trials",  # early_terminate
    "hydra.sweeper.pruner=hyperband hydra.sweeper.n_trials=7": "7 trials",  # HyperBandScheduler, num_samples, run_cap
    "hydra.sweeper.pruner=median hydra.launcher.trials_per_gpu=2": "20 trials",  # with_resources({"gpu": 0.5})
    "hydra.launcher.trials_per_process=100": "20 trials",  # reuse_actors
}


def test_each_word_draws_what_it_says(quick, tmp_path):
    done = quick("toy.py", *DRY, *WORDS, "hydra.sweeper.n_trials=40")
    assert done.code == 0, done
    trials = re.findall(r"^  00\d\d (.+)$", done.out, re.MULTILINE)
    assert len(trials) == 40 and list(tmp_path.iterdir()) == []
    for trial in trials:
        drawn = dict(text.split("=") for text in trial.split())
        assert all(holds(drawn[word.partition("=")[0]]) for word, holds in WORDS.items()), trial


@pytest.mark.parametrize(("keys", "says"), KEYS.items())
def test_each_key_is_taken(quick, keys, says):
    done = quick("toy.py", *DRY, "x=uniform(0,1)", *keys.split())
    assert done.code == 0 and says in done.err, done
