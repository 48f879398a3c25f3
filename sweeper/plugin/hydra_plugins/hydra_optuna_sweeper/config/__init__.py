"""hydra-optuna-sweeper's structured configs, for apps that import them; that package is not needed.

A package, not a module: uninstalling the peer removes its ``config.py`` and leaves this.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from hydra_plugins.sweeper_plugin._structured import run_peers_own, structured
from omegaconf import MISSING

if not run_peers_own(Path(__file__).parent, globals()):

    class Direction(Enum):
        """Of an objective."""

        minimize = 1
        maximize = 2

    class DistributionType(Enum):
        """Of the ``search_space`` before 1.2."""

        int = 1
        float = 2
        categorical = 3

    @dataclass
    class DistributionConfig:
        """A parameter of the ``search_space`` before 1.2."""

        type: Any = MISSING
        choices: Any = None
        low: Any = None
        high: Any = None
        log: bool = False
        step: Any = None

    @dataclass
    class SamplerConfig:
        """What a sampler of an app's own is derived from."""

        _target_: str = MISSING

    TPESamplerConfig = structured("TPESamplerConfig", "sweeper/sampler/tpe", __name__)
    RandomSamplerConfig = structured("RandomSamplerConfig", "sweeper/sampler/random", __name__)
    CmaEsSamplerConfig = structured("CmaEsSamplerConfig", "sweeper/sampler/cmaes", __name__)
    NSGAIISamplerConfig = structured("NSGAIISamplerConfig", "sweeper/sampler/nsgaii", __name__)
    MOTPESamplerConfig = structured("MOTPESamplerConfig", "sweeper/sampler/motpe", __name__)
    GridSamplerConfig = structured("GridSamplerConfig", "sweeper/sampler/grid", __name__)
    GPSamplerConfig = structured("GPSamplerConfig", "sweeper/sampler/gp", __name__)
    QMCSamplerConfig = structured("QMCSamplerConfig", "sweeper/sampler/qmc", __name__)
    OptunaSweeperConf = structured(
        *("OptunaSweeperConf", "sweeper/optuna_defaults", __name__),
        defaults=[{"sampler": "random"}],
        sampler=MISSING,  # leaves the option chosen by `hydra/sweeper/sampler` as it is
    )
