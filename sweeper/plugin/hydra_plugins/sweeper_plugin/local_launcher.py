"""``hydra/launcher=local``: registration only; the work is in ``sweeper.study.launchers``."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LocalLauncher(Launcher):
    """A process a trial on this machine, forked from a preloaded nursery."""

    def __init__(self, **keys: Any) -> None:
        self.keys = keys

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from sweeper.study.launchers.local_settings import read_local_settings

        self.settings = read_local_settings(self.keys)
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hydra's own contract, for the basic sweeper and others: run all, return when all are done."""
        from sweeper.study.start import launch_all

        return launch_all(self, job_overrides, initial_job_idx)


class SubmititLocalLauncher(LocalLauncher):
    """``hydra/launcher=submitit_local``: the same, by hydra-submitit-launcher's keys."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from sweeper.study.launchers.submitit_local import read_submitit_local

        settings = read_submitit_local(self.keys, config.hydra.job.name)
        self.keys = {}
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.settings = settings
