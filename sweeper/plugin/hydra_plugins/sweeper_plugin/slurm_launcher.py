"""``hydra/launcher=slurm``: registration only; the work is in ``sweeper.study.launchers.slurm``."""

import importlib.util
from collections.abc import Sequence
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
if _spec is None or _spec.origin is None:  # only what we have there
    # for configs that hard-code hydra-submitit-launcher's ``_target_``s; that package is not needed
    _SlurmAtPeersPath = type("SlurmLauncher", (SlurmLauncher,), {"__module__": f"{PEER}.submitit_launcher"})
    _LocalAtPeersPath = type("LocalLauncher", (SubmititLocalLauncher,), {"__module__": f"{PEER}.submitit_launcher"})
