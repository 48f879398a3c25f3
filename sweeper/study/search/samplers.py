"""Samplers by name or by ``_target_``: ours draw by (seed, number, name), the adaptive ones are Optuna's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import optuna
import yaml
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from sweeper.errors import ConfigError, nearest, require
from sweeper.study.search.draws import Draws, Grid, Plan, random_unit, sobol_unit
from sweeper.study.search.own import is_own, make_own
from sweeper.study.search.parameter import Parameter, Point
from sweeper.study.search.space import SearchSpace
from sweeper.study.search.suggest import dotted
from sweeper.study.values import flag, number, whole

PLANNED = {"random": "RandomSampler", "qmc": "QMCSampler", "grid": "GridSampler"}
ADAPTIVE = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsgaii": "NSGAIISampler",
    "motpe": "TPESampler",  # Optuna 5: TPESampler serves several objectives
}
_NAMES = {**PLANNED, **ADAPTIVE}
_ALSO = {"MOTPESampler": "TPESampler"}
_NEEDS = {"QMCSampler": ("scipy",), "CmaEsSampler": ("cmaes",), "GPSampler": ("scipy", "torch")}  # optuna imports late

# what hydra-optuna-sweeper's own option files set and Optuna 5 has removed or deprecated: its old defaults are
# dropped; any other value goes to Optuna, which warns, or is an error where Optuna knows the key no more
_REMOVED: dict[str, dict[str, Any]] = {
    "TPESampler": {
        "consider_prior": True,
        "prior_weight": 1.0,
        "consider_magic_clip": True,
        "consider_endpoints": False,
        "n_ehvi_candidates": 24,
        "warn_independent_sampling": True,
    },
    "CmaEsSampler": {"restart_strategy": None, "inc_popsize": 2},
    "RandomSampler": {},
    "QMCSampler": {"qmc_type": "sobol", "scramble": True, "warn_asynchronous_seeding": True},
    "GridSampler": {"search_space": None, "_partial_": True},
    "NSGAIISampler": {},
    "GPSampler": {},
}


class PlannedSampler(BaseSampler):
    """Hands Optuna the values of a plan, so that its record holds real parameters and distributions."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.point: Point = {}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The planned value; for a parameter that ``custom_search_space`` adds, a draw by its name."""
        if param_name in self.point:
            return self.point[param_name]
        texts = tuple(map(str, getattr(param_distribution, "choices", ())))
        p = Parameter(param_name, param_distribution, "", "custom_search_space", texts)
        return p.at(self.plan.unit(trial.number, param_name))


def size_of(sampler: BaseSampler) -> int | None:
    """Trials until the sampler has exhausted the space; None if it never does."""
    return sampler.plan.size if isinstance(sampler, PlannedSampler) else None


def describe(spec: Any) -> dict[str, Any]:
    """The sampler as ``{"name": …, key: value}``, for checks and for the study's file."""
    if isinstance(spec, BaseSampler):
        return {"name": type(spec).__name__, "object": spec}
    if isinstance(spec, functools.partial):
        return {"name": spec.func.__name__, **spec.keywords}
    if isinstance(spec, str):
        return describe({"_target_": spec}) if "." in spec else {"name": _class_name(spec)}
    if isinstance(spec, Mapping):
        keys = dict(spec)
        named = keys.pop("name", None) or keys.pop("_target_", None)
        if named is not None:
            short = str(named).rpartition(".")[2]
            return {
                "name": short if is_own(named, "optuna.samplers") else _class_name(short),
                "target": str(named),
                **keys,
            }
    raise ConfigError(
        f"hydra.sweeper.sampler must be one of {', '.join(_NAMES)} or a node with _target_, got {spec!r}; "
        "try hydra.sweeper.sampler=random"
    )


def _class_name(name: str) -> str:
    found = _NAMES.get(name) or _ALSO.get(name) or name
    if not hasattr(optuna.samplers, found):
        raise ConfigError(
            f"hydra.sweeper.sampler must be one of {', '.join(_NAMES)}, got {name!r}{nearest(name, _NAMES)}; "
            "try hydra.sweeper.sampler=random"
        )
    return found


def make_sampler(spec: Any, space: SearchSpace, *, seed: int, repeats: int, extended: bool = False) -> BaseSampler:
    """Build the sampler; ConfigError for a key that it does not take.

    ``extended``: a ``custom_search_space`` adds parameters that ``space`` doesn't know.
    """
    keys = describe(spec)
    name = keys.pop("name")
    target = keys.pop("target", None)
    if "object" in keys:
        sampler = keys["object"]
        if type(sampler) is not optuna.samplers.RandomSampler:
            return sampler  # type: ignore[no-any-return]
        keys = {}
    own = is_own(target, "optuna.samplers")
    if not own:
        require(f"hydra.sweeper.sampler={name}", *_NEEDS.get(name, ()))
        keys = _checked(name, keys)
    if not own and name in PLANNED.values():
        own_seed = keys.pop("seed", None)
        seed = seed if own_seed is None else whole("hydra.sweeper.sampler.seed", own_seed, at_least=0)
        plan: Plan
        match name:
            case "GridSampler":
                if extended:
                    raise ConfigError(
                        "hydra.sweeper.custom_search_space must be null with the grid sampler, whose points are known "
                        "before the first trial; use sampler=random"
                    )
                plan = Grid(space, repeats=repeats)
            case "QMCSampler":
                plan = Draws(space, sobol_unit(seed, space.keys), repeats=repeats, extended=extended)
            case _:
                plan = Draws(space, random_unit(seed), repeats=repeats, extended=extended)
        return PlannedSampler(plan)
    if repeats > 1:
        raise ConfigError(
            f"hydra.sweeper.repeats must be 1 with a sampler that learns from its trials, got {repeats} "
            f"with {name}; use sampler=random, qmc or grid"
        )
    return _the_apps(str(target), keys, seed) if own else _optunas(name, keys, seed)


def _the_apps(target: str, keys: dict[str, Any], seed: int) -> BaseSampler:
    def given() -> dict[str, Any]:
        from hydra.utils import get_object

        known = inspect.signature(get_object(target)).parameters
        kept = {k: v for k, v in keys.items() if k in known or not _of_another_option(k, v)}
        if "seed" in known and kept.get("seed") is None:
            kept["seed"] = seed
        return kept

    return make_own("sampler", BaseSampler, target, keys, instead="sampler=random", given=given)  # type: ignore[type-abstract]


def _optunas(name: str, keys: dict[str, Any], seed: int) -> BaseSampler:
    from hydra.utils import instantiate

    cls = getattr(optuna.samplers, name)
    if "seed" in inspect.signature(cls).parameters and keys.get("seed") is None:
        keys["seed"] = seed
    for key, value in keys.items():
        if isinstance(value, Mapping) and "_target_" in value:
            keys[key] = instantiate(value)
        elif value is not None:
            keys[key] = _typed(key, value, str(inspect.signature(cls).parameters[key].annotation))
    try:
        return cls(**keys)  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"hydra.sweeper.sampler ({name}) refuses its keys {keys}: {error}") from error


def _typed(key: str, value: Any, annotation: str) -> Any:
    """The value as Optuna's own annotation has it: it looks at some only in the middle of a study."""
    key = f"hydra.sweeper.sampler.{key}"
    match annotation.removesuffix(" | None"):
        case "int":
            return whole(key, value, at_least=0)
        case "float":
            return number(key, value)
        case "bool":
            return flag(key, value)
    return dotted(key, value, "") if isinstance(value, str) and annotation.startswith("Callable") else value


def _checked(name: str, keys: dict[str, Any]) -> dict[str, Any]:
    cls = getattr(optuna.samplers, name, None)
    if cls is None:
        return keys
    known = {"seed"} if name in PLANNED.values() else set(inspect.signature(cls).parameters)
    kept = {}
    for key, value in keys.items():
        dropped = _REMOVED.get(name, {})
        if (key in dropped and value == dropped[key]) or (key not in known and _of_another_option(key, value)):
            continue
        if name == "GridSampler" and key == "search_space" and isinstance(value, Mapping):
            params = ", ".join(f'{k}: "{_as_choice(v)}"' for k, v in value.items())
            raise ConfigError(
                f"hydra.sweeper.sampler.search_space must be null, got {value!r}: the grid has the points of "
                f"hydra.sweeper.params; write params: {{{params}}}"
            )
        if key not in known:
            repair = f"Optuna 5 has removed {key}" if key in dropped else f"{name} takes {', '.join(sorted(known))}"
            raise ConfigError(
                f"hydra.sweeper.sampler.{key} must be a key of {name}, got {key}={value!r}{nearest(key, known)}; "
                f"remove it: {repair}"
            )
        kept[key] = value
    return kept


def _of_another_option(key: str, value: Any) -> bool:
    """Whether it is another sampler's default: an app's ``_target_`` leaves the chosen option's other keys in place."""
    options = resources.files("hydra_plugins.sweeper_plugin").joinpath("conf/hydra/sweeper/sampler")
    nothing = object()
    return any(yaml.safe_load(option.read_text("utf-8")).get(key, nothing) == value for option in options.iterdir())


def _as_choice(values: Any) -> str:
    return f"choice({', '.join(map(str, values))})" if isinstance(values, Sequence) else str(values)


def pareto_or_best(study: Study, count: int) -> Sequence[FrozenTrial]:
    """The best trials that meet the sampler's constraints: by value for one direction, the Pareto front for several."""
    if len(study.directions) > 1:
        return study.best_trials
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    feasible = [t for t in complete if all(value <= 0 for value in t.constraints.values())]
    sign = 1 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1
    return sorted(feasible, key=lambda t: (sign * t.value, t.number))[:count]  # type: ignore[operator]
