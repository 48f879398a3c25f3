"""What one trial of Optuna's suggests: a parameter of the space, and what ``custom_search_space`` adds."""

from __future__ import annotations

from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from sweeper.errors import ConfigError, words
from sweeper.study.search.parameter import Point
from sweeper.study.search.space import SearchSpace


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """Draw one parameter; a name that the trial already has gives its recorded value."""
    d = distribution
    if isinstance(d, CategoricalDistribution):
        return trial.suggest_categorical(name, d.choices)
    if isinstance(d, IntDistribution):
        return trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
    assert isinstance(d, FloatDistribution)
    return float(trial.suggest_float(name, d.low, d.high, step=d.step, log=d.log))  # an enqueued one may be an int


def suggest_more(trial: Trial, path: str | None, space: SearchSpace, config: DictConfig) -> Point:
    """What ``custom_search_space`` at ``path`` suggests; it finds what is fixed among the trial's user attributes."""
    if path is None:
        return {}
    fixed = [space.composer.parse(text) for text in space.fixed]
    values = {o.get_key_element(): o.get_value_string() for o in fixed if not o.is_delete()}
    for key, value in values.items():
        trial.set_user_attr(key, value)
    before = set(trial.params)
    try:
        method(path)(config, trial)
    except Exception as error:
        raise ConfigError(
            f"hydra.sweeper.custom_search_space must suggest parameters, got from {path}: "
            f"{type(error).__name__}: {words(error)[:300]}; HYDRA_FULL_ERROR=1 shows where"
        ) from error
    if both := [key for key in trial.params if key in values]:
        raise ConfigError(
            f"{both[0]} must be fixed or suggested by hydra.sweeper.custom_search_space={path}, got both: "
            f"{both[0]}={values[both[0]]}; leave one out, or have it look in trial.user_attrs"
        )
    return {k: v for k, v in trial.params.items() if k not in before}


def try_suggested(path: str, overrides: list[str], space: SearchSpace) -> None:
    """ConfigError for a key that the config lacks, or a value that it refuses, among those of a trial."""
    try:
        space.composer.compose(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        said = words(f"{error} {error.__cause__ or ''}")[:300]
        raise ConfigError(
            f"hydra.sweeper.custom_search_space must suggest what the config takes, got from {path}: {said}"
        ) from error


def method(path: str | None) -> Any:
    """The function of ``hydra.sweeper.custom_search_space``; ConfigError if there is none."""
    return None if path is None else dotted("hydra.sweeper.custom_search_space", path, " (cfg, trial)")


def dotted(key: str, path: str, takes: str) -> Any:
    """The function at the dotted ``path`` that ``key`` gives; ConfigError if there is none."""
    from hydra.utils import get_method

    try:
        return get_method(path.removeprefix("."))  # which the peer's own example has, and Hydra once passed over
    except Exception as error:
        raise ConfigError(
            f"{key} must be the dotted path of a function{takes}, got {path!r}: {words(error)[:200]}"
        ) from error
