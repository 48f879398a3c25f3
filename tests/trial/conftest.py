from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest
import sklearn.linear_model  # noqa: F401 (loads the BLAS that threadpool_limits then finds)
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from omegaconf import DictConfig
from threadpoolctl import threadpool_limits

from sweeper.space_node import without_space
from sweeper.trial import stage
from sweeper.trial.recorded import Recorded
from sweeper.trial.setup import Setup, build

CONF = Path(__file__).parents[2] / "conf"
DEFAULTS = ("data=digits", "model=mlp", "optimizer=adam", "stage=train", "seed=0", "objective=val_loss")

Compose = Callable[..., DictConfig]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices on a shared machine: two threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):  # numpy's and scipy's, loaded by scikit-learn's import
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def compose() -> Compose:
    """The config that these overrides give over the defaults, from the real ``conf``."""
    return lambda *overrides: copy.deepcopy(composed(overrides, hydra=False))


@lru_cache
def composed(overrides: tuple[str, ...], *, hydra: bool) -> DictConfig:
    chosen = dict(default.split("=") for default in DEFAULTS)
    others = []
    for override in overrides:
        key, value = override.split("=", 1)
        if key in (*chosen, "regularizer"):
            chosen[key] = value
        else:
            others.append(override)
    with initialize_config_dir(str(CONF), version_base=None):
        new = [f"+{key}={value}" for key, value in chosen.items()]
        return hydra_compose(overrides=[*new, *others], return_hydra_config=hydra)


@pytest.fixture
def build_setup(compose: Compose) -> Callable[..., Setup]:
    return lambda *overrides: build(without_space(compose(*overrides)), torch.device("cpu"))


@pytest.fixture
def record() -> Iterator[Callable[[Path, DictConfig], float]]:
    """Run one config's trial in a folder, recorded as a launcher records it; returns its objective."""
    before = Singleton.get_state()

    def recorded(folder: Path, cfg: DictConfig) -> float:
        hydra = copy.deepcopy(composed((), hydra=True))
        hydra.hydra.runtime.output_dir = str(folder)
        hydra.hydra.job.num = 0
        HydraConfig.instance().set_config(hydra)
        value: float = Recorded(stage.run, objectives=1)(cfg)
        return value

    yield recorded
    Singleton.set_state(before)


@pytest.fixture
def run_trial(compose: Compose, record: Callable[[Path, DictConfig], float]) -> Callable[..., float]:
    """:func:`record` of the config that these overrides give."""
    return lambda folder, *overrides: record(folder, compose(*overrides))
