"""From Hydra's door to a running sweep. Nothing here imports optuna: the nursery is forked first."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from sweeper.study.again import COLLECT, order
from sweeper.study.compose import Composer
from sweeper.study.launchers import Job
from sweeper.study.launchers.batch import BatchSlots
from sweeper.study.launchers.job import JobRunner
from sweeper.study.launchers.local import LocalSlots, cores, launch
from sweeper.study.launchers.local_settings import LocalSettings
from sweeper.study.launchers.slurm.settings import SlurmSettings
from sweeper.study.launchers.slurm.slots import SlurmSlots
from sweeper.study.settings import Settings
from sweeper.study.trial_dir import sweep_dir, trial_dir
from sweeper.study.view.terminal import open_streams
from sweeper.trial.recorded import Recorded


def start(
    *,
    settings: Settings,
    config: DictConfig,
    context: HydraContext,
    task: Recorded,
    launcher: Launcher,
    arguments: Sequence[str],
) -> None:
    """Run the sweep that ``arguments`` (the task's overrides) ask for."""
    open_streams()
    composer = Composer(context.config_loader, config)
    slots = _slots(launcher, settings)
    idle = settings.dry_run or order() == COLLECT  # then no trial runs in this process
    if isinstance(slots, SlurmSlots) or (isinstance(slots, LocalSlots) and not idle):
        slots.start(JobRunner(composer, context, task))  # a local one preloads while we compose the space
    try:
        from sweeper.study.sweep import Sweep

        Sweep(settings, composer, config, context, slots, arguments).run()
    finally:
        slots.close()


def _slots(launcher: Launcher, settings: Settings) -> LocalSlots | SlurmSlots | BatchSlots:
    ours = getattr(launcher, "settings", None)
    if isinstance(ours, LocalSettings):
        return LocalSlots(ours, n_jobs=settings.n_jobs)
    if isinstance(ours, SlurmSettings):
        return SlurmSlots(ours, n_jobs=settings.n_jobs)
    one_by_one = type(launcher).__name__ == "BasicLauncher"
    return BatchSlots(launcher, n_jobs=settings.n_jobs or (1 if one_by_one else cores()))


def launch_all(launcher: Any, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
    """Hydra's ``launch`` on a launcher of ours: all jobs, then their JobReturns in order."""
    open_streams()
    config, context = launcher.config, launcher.hydra_context
    task = launcher.task_function
    if not isinstance(task, Recorded):
        task = Recorded(task, objectives=None)
    composer = Composer(context.config_loader, config)
    folder_of_all = Path(sweep_dir(config)).absolute()
    folder_of_all.mkdir(parents=True, exist_ok=True)
    slots: LocalSlots | SlurmSlots
    if isinstance(launcher.settings, SlurmSettings):
        slots = SlurmSlots(launcher.settings, n_jobs=None)
    else:
        slots = LocalSlots(launcher.settings, n_jobs=None)
    slots.start(JobRunner(composer, context, task))
    try:
        jobs = []
        for number, overrides in enumerate(job_overrides, start=initial_job_idx):
            name, resolved = trial_dir(composer, list(overrides), number, str(folder_of_all))
            folder = folder_of_all / name
            jobs.append(Job(number, _next_attempt(folder), tuple(overrides), folder, str(folder_of_all), resolved))
        with tempfile.TemporaryDirectory(prefix=".returns-", dir=folder_of_all) as returns:
            return launch(slots, jobs, Path(returns))
    finally:
        slots.close()


def _next_attempt(folder: Path) -> int:
    from sweeper.folder import attempts

    return max(attempts(folder), default=-1) + 1
