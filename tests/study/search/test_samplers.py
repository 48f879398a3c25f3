"""Every key of hydra-optuna-sweeper 1.3.0's samplers reaches Optuna, or is refused with its name."""

from __future__ import annotations

from typing import Any, cast

import optuna
import pytest
from optuna.samplers import BaseSampler

from sweeper.errors import ConfigError
from sweeper.study.search.samplers import make_sampler
from sweeper.study.search.space import SearchSpace

# Optuna itself warns of what it will remove in its version 6
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::optuna.exceptions.ExperimentalWarning")

KEYS: dict[str, dict[str, Any]] = {
    "TPESampler": {
        "prior_weight": 0.5,
        "consider_magic_clip": False,
        "consider_endpoints": True,
        "n_startup_trials": 3,
        "n_ei_candidates": 7,
        "multivariate": False,
    },
    "CmaEsSampler": {
        "x0": {"x": 0.5},
        "sigma0": 0.1,
        "independent_sampler": {"_target_": "optuna.samplers.RandomSampler"},
        "warn_independent_sampling": False,
        "consider_pruned_trials": True,
        "use_separable_cma": True,
    },
    "NSGAIISampler": {"population_size": 7, "mutation_prob": 0.1, "crossover_prob": 0.2, "swapping_prob": 0.3},
}
EACH = [(name, key) for name, keys in KEYS.items() for key in keys]
SPACE = cast(SearchSpace, None)  # samplers that learn get theirs from Optuna


def settings_of(sampler: BaseSampler) -> dict[str, Any]:
    """What a sampler was told, through its parts, random generators left out."""
    plain: dict[str, Any] = {}
    for key, value in vars(sampler).items():
        if isinstance(value, (int, float, str, bool, type(None), dict, tuple)):
            plain[key] = repr(value) if isinstance(value, tuple) else value
        elif type(value).__module__.startswith("optuna") and hasattr(value, "__dict__"):
            plain[key] = type(value).__name__, settings_of(value)
    return plain


@pytest.mark.parametrize("name, key", EACH)
def test_a_key_reaches_optuna(name: str, key: str) -> None:
    value = KEYS[name][key]
    given = optuna.samplers.RandomSampler() if isinstance(value, dict) and "_target_" in value else value
    theirs = settings_of(getattr(optuna.samplers, name)(**{key: given}, seed=0))
    ours = make_sampler({"_target_": f"optuna.samplers.{name}", key: value}, SPACE, seed=0, repeats=1)
    assert settings_of(ours) == theirs
    assert theirs != settings_of(getattr(optuna.samplers, name)(seed=0))


@pytest.mark.parametrize("target", ["optuna.samplers.MOTPESampler", "motpe"])
def test_the_sampler_for_several_objectives_has_moved_into_tpe(target: str) -> None:
    old_defaults = {"n_ehvi_candidates": 24, "consider_prior": True, "n_startup_trials": 4}
    sampler = make_sampler({"_target_": target, **old_defaults}, SPACE, seed=0, repeats=1)
    assert settings_of(sampler) == settings_of(optuna.samplers.TPESampler(n_startup_trials=4, seed=0))
    with pytest.raises(ConfigError, match=r"n_ehvi_candidates must be a key of TPESampler, got .*Optuna 5 has removed"):
        make_sampler({"_target_": target, "n_ehvi_candidates": 9}, SPACE, seed=0, repeats=1)


@pytest.mark.parametrize(
    "name, key, value",
    [
        ("TPESampler", "consider_prior", False),
        ("TPESampler", "warn_independent_sampling", False),
        ("CmaEsSampler", "restart_strategy", "ipop"),
    ],
)
def test_optuna_says_that_a_key_has_no_effect_any_more(name: str, key: str, value: Any) -> None:
    with pytest.warns(FutureWarning, match=key):
        make_sampler({"_target_": f"optuna.samplers.{name}", key: value}, SPACE, seed=0, repeats=1)
