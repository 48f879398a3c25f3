"""Before anything is submitted: sbatch takes the resources, and a node sees the study's folder."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from sweeper.errors import ConfigError
from sweeper.study.launchers.slurm.queue import Refused, SlurmAway, run
from sweeper.study.launchers.slurm.settings import SlurmSettings, log_folder, sbatch_script
from sweeper.study.launchers.slurm.submit import TOO_MANY, refusal
from sweeper.study.view.terminal import say

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
    where = {"partition": settings.partition, "account": settings.account, "qos": settings.qos}
    options = [f"--{k}={v}" for k, v in where.items() if v is not None]
    command = ["srun", "--quiet", f"--immediate={NODE_WAIT_S}", "--ntasks=1", "--time=1", "--mem=16M", *options]
    touch = f"cd / && touch {shlex.quote(str(mark))}"
    try:
        done = subprocess.run(
            [*command, "--job-name=sweeper-preflight", "--chdir=/", "sh", "-c", touch],
            capture_output=True, text=True, timeout=60, check=False,
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
            say(f"no node was free to try whether it can write {folder}; going on")
        elif not mark.exists():
            raise ConfigError(
                f"hydra.sweep.dir must be a folder that nodes share with this machine, got {str(folder)!r}; "
                "a file that a node wrote there is not seen here"
            )
    finally:
        mark.unlink(missing_ok=True)
