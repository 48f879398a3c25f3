"""A Hydra callback that appends each call to one file, with the job and who makes it: the sweep or a job."""

import os
from pathlib import Path

from hydra.experimental.callback import Callback
from omegaconf import OmegaConf

SWEEP = os.environ.setdefault("TOLD_SWEEP", str(os.getpid()))


class Told(Callback):
    def __init__(self, file):
        self.file = Path(file).absolute()

    def say(self, event, config, more):
        job = None if OmegaConf.is_missing(config.hydra.job, "num") else config.hydra.job.num
        with open(self.file, "a") as file:
            file.write(f"{event} job={job} {'sweep' if str(os.getpid()) == SWEEP else 'other'} {sorted(more)}\n")

    def on_run_start(self, config, **more):
        self.say("run_start", config, more)

    def on_run_end(self, config, **more):
        self.say("run_end", config, more)

    def on_multirun_start(self, config, **more):
        self.say("multirun_start", config, more)

    def on_multirun_end(self, config, **more):
        self.say("multirun_end", config, more)

    def on_job_start(self, config, **more):
        self.say("job_start", config, more)

    def on_job_end(self, config, job_return, **more):
        self.say(f"job_end {job_return.status.name} {job_return.return_value}", config, more)
