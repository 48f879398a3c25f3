"""Before anything is submitted: sbatch takes the resources, and a node sees the study's folder."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from sweeper.errors import ConfigError
from sweeper.study.launchers.slurm.queue import Refused, SlurmAway, environment, run
from sweeper.study.launchers.slurm.settings import SlurmSettings, log_folder, sbatch_script
from sweeper.study.launchers.slurm.submit import TOO_MANY, refusal
from sweeper.study.view.terminal import say

_KEYS = ("partition", "account", "qos", "constraint", "exclude", "gres", "gpus_per_node", "gpus_per_task")
_OPTIONS = (
    "cluster-constraint", "prefer", "nodelist", "nodefile", "reservation", "licenses", "gpus", "wckey",
    "mincpus", "tmp", "switches", "contiguous", "core-spec", "sockets-per-node", "cores-per-socket", "threads-per-core",
)  # fmt: skip
NODE_WAIT_S = 5  # for a node to be free for a moment; a busy cluster is no mistake


def accepted(settings: SlurmSettings) -> None:
    """``sbatch --test-only``; ConfigError with SLURM's reason if it would refuse."""
    script = sbatch_script(settings, log_folder(settings.submitit_folder), "true", 1, at_once=1)
    try:
        run(["sbatch", "--test-only"], given=script)
    except Refused as refused:
        if not TOO_MANY.search(str(refused)):  # a full queue empties
            raise refusal(refused) from refused
    except SlurmAway as away:
        raise ConfigError(
            f"hydra/launcher=slurm needs a SLURM controller that answers, got: {str(away)[:200]}; try again later"
        ) from away


def reached_from_a_node(folder: Path, settings: SlurmSettings) -> None:
    """A node writes a file that we see; ConfigError if it can't, one line if no node is free to ask."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / ".preflight"
    command = ["srun", "--quiet", f"--immediate={NODE_WAIT_S}", "--ntasks=1", "--time=1", "--mem=16M", *where(settings)]
    touch = f"cd / && touch {shlex.quote(str(mark))}"
    try:
        done = subprocess.run(
            [*command, "--job-name=sweeper-preflight", "--chdir=/", "sh", "-c", touch],
            capture_output=True, text=True, timeout=60, check=False, env=environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return
    said = " ".join(done.stderr.split())
    try:
        if done.returncode != 0 and "touch" in said:
            raise ConfigError(
                f"hydra.sweep.dir must be a folder that the nodes can write, got {str(folder)!r}; a node says: {said}"
            )
        if done.returncode != 0:
            say(f"no node was free to try whether it can write {folder} ({said[:200]}); going on")
        elif not mark.exists():
            raise ConfigError(
                f"hydra.sweep.dir must be a folder that nodes share with this machine, got {str(folder)!r}; "
                "a file that a node wrote there is not seen here"
            )
    finally:
        mark.unlink(missing_ok=True)


def where(settings: SlurmSettings) -> list[str]:
    """What of the request decides which nodes a job can get, as options of srun."""
    asked = {name.replace("_", "-"): getattr(settings, name) for name in _KEYS}
    more = {name.replace("_", "-"): value for name, value in settings.additional_parameters.items()}
    asked |= {name: value for name, value in more.items() if name in _OPTIONS or name in asked}
    words = ((name, value) for name, value in asked.items() if value is not None and value is not False)
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in words]
