"""``hydra/launcher=slurm``: registration only; the work is in ``sweeper.study.launchers.slurm``."""

import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from .local_launcher import SubmititLocalLauncher


class SlurmLauncher(Launcher):
    """Trials as jobs of a SLURM cluster, by hydra-submitit-launcher's keys."""

    def __init__(self, **keys: Any) -> None:
        self.keys = keys

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from sweeper.study.launchers.slurm.settings import read_slurm_settings

        self.settings = read_slurm_settings(self.keys)
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hydra's own contract, for the basic sweeper and others: run all, return when all are done."""
        from sweeper.study.start import launch_all

        return launch_all(self, job_overrides, initial_job_idx)


PEER = "hydra_plugins.hydra_submitit_launcher"

_spec = importlib.util.find_spec(PEER)
if _spec is None or _spec.origin is None:  # only our `config` is there
    # for configs that hard-code hydra-submitit-launcher's ``_target_``s; that package is not needed
    _at_peers_path = type("SlurmLauncher", (SlurmLauncher,), {"__module__": f"{PEER}.submitit_launcher"})
    _local_at_peers_path = type("LocalLauncher", (SubmititLocalLauncher,), {"__module__": f"{PEER}.submitit_launcher"})
    _stand_in = ModuleType(f"{PEER}.submitit_launcher")
    _stand_in.SlurmLauncher = _at_peers_path
    _stand_in.LocalLauncher = _local_at_peers_path
    sys.modules[_stand_in.__name__] = _stand_in
