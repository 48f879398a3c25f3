"""What each trial asks of the cluster: the launcher's keys as its own config has them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from sweeper.study.compose import Composer, job_config
from sweeper.study.launchers import Job
from sweeper.study.launchers.slurm.preflight import accepted
from sweeper.study.launchers.slurm.settings import SlurmSettings, log_folder, read_slurm_settings, sbatch_script


class Resources:
    """An option may ask for more memory or time than another."""

    def __init__(self, composer: Composer) -> None:
        self.composer = composer
        self._known: dict[int, SlurmSettings] = {}
        self._uniform: SlurmSettings | None = None  # where no option asks for more than another

    def accept(self, examples: Sequence[Sequence[str]]) -> None:
        """ConfigError where the cluster would refuse what a trial of one of the combinations asks for."""
        asked: list[SlurmSettings] = []
        for overrides in examples:
            settings = self.of(self.example(overrides))
            if settings not in asked:
                asked.append(settings)
                accepted(settings)
        self._uniform = asked[0] if len(asked) == 1 else None

    def example(self, overrides: Sequence[str]) -> Job:
        """A trial with these overrides, before there is a study."""
        return Job(0, 0, tuple(overrides), Path(), str(self.composer.master.hydra.sweep.dir))

    def of(self, job: Job) -> SlurmSettings:
        """What this trial asks for; equal ones are the same object."""
        if self._uniform is not None and not any("hydra" in override for override in job.overrides):
            return self._uniform
        cfg = job_config(self.composer, job.overrides, job.number, job.sweep_dir, job.resolved)
        if id(cfg) not in self._known:
            keys = {str(k): v for k, v in cfg.hydra.launcher.items() if k != "_target_"}
            known = {f.name for f in fields(SlurmSettings)}
            mine = read_slurm_settings({k: v for k, v in keys.items() if k in known})
            self._known[id(cfg)] = next((s for s in self._known.values() if s == mine), mine)
        return self._known[id(cfg)]

    def plan(self, overrides: Sequence[str], trials: int, n_jobs: int | None) -> str:
        """For a dry run: how many jobs, and the script of an array of them."""
        settings = self.of(self.example(overrides))
        jobs = -(-trials // settings.trials_per_job)
        first = jobs if n_jobs is None else min(jobs, n_jobs)
        command = f"{settings.python or shlex.quote(sys.executable)} -m sweeper.study.launchers.slurm.work …"
        folder = log_folder(settings.submitit_folder)
        text = sbatch_script(settings, folder, command, first, at_once=first)
        which = "of an array of them" if first == jobs else f"of the first {first}, another follows each that ends"
        return f"{jobs} job(s) of {settings.trials_per_job} trial(s); the script {which}:\n\n{text}\n"
