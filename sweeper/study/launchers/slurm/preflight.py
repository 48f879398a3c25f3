"""Before anything is submitted: sbatch takes the resources, and a node sees the study's folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from sweeper.errors import ConfigError, words
from sweeper.study.launchers.slurm.queue import Refused, SlurmAway, cancel, environment, run, submitted_id
from sweeper.study.launchers.slurm.settings import SlurmSettings, log_folder, sbatch_script
from sweeper.study.launchers.slurm.submit import TOO_MANY, refusal
from sweeper.study.view.terminal import say

_KEYS = ("partition", "account", "qos", "constraint", "exclude", "gres", "gpus_per_node", "gpus_per_task")
_OPTIONS = (
    "cluster-constraint", "prefer", "nodelist", "nodefile", "reservation", "licenses", "gpus", "wckey",
    "mincpus", "tmp", "switches", "contiguous", "core-spec", "sockets-per-node", "cores-per-socket", "threads-per-core",
)  # fmt: skip
_SERVES = re.compile(r"(idle|mix|alloc|comp|plnd|resv)[^*]?")  # of sinfo's states; a * does not respond
_NOWHERE = ("--output=/dev/null", "--error=/dev/null")
NO_PYTHON = 73  # how the look from a node says so
NODE_WAIT_S = 5  # for a node to be free for a moment; a busy cluster is no mistake


def accepted(settings: SlurmSettings) -> None:
    """``sbatch --test-only``; ConfigError with SLURM's reason if it would refuse."""
    script = sbatch_script(settings, log_folder(settings.submitit_folder), "true", 1, at_once=1)
    try:
        run(["sbatch", "--test-only"], given=script)
    except Refused as refused:
        if not TOO_MANY.search(str(refused)):  # a full queue empties
            _taken_to_wait(settings, script, refused)
    except SlurmAway as away:
        raise ConfigError(
            f"hydra/launcher=slurm needs a SLURM controller that answers, got: {str(away)[:200]}; try again later"
        ) from away


def _taken_to_wait(settings: SlurmSettings, script: str, refused: Refused) -> None:
    """While nodes are down, ``--test-only`` refuses what SLURM takes, to wait for them: a job of nothing tells."""
    there = [] if settings.partition is None else [f"--partition={settings.partition}"]
    try:
        states = run(["sinfo", "--noheader", "--Node", "--format=%t", *there]).split()
        if all(_SERVES.fullmatch(state) for state in states):
            raise refused
        said = run(["sbatch", "--parsable", "--job-name=sweeper-preflight", *_NOWHERE], given=script)
    except Refused as why:
        raise refusal(why) from why
    if (job := submitted_id(said)) is not None:
        cancel([job])
    say(f"no node can run such a job now (sbatch says: {words(refused)[:200]}); jobs wait for one")


def reached_from_a_node(folder: Path, settings: SlurmSettings, interpreter: str) -> None:
    """A node writes a file that we see and has the interpreter; ConfigError if not, a line if none is free to ask."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / ".preflight"
    command = ["srun", "--quiet", f"--immediate={NODE_WAIT_S}", "--ntasks=1", "--time=1", "--mem=16M", *where(settings)]
    touch = f"cd / && touch {shlex.quote(str(mark))}"
    python = shlex.split(settings.python or shlex.quote(interpreter))[0]
    if os.path.isabs(python) and not settings.setup:  # else there may be more to come by it
        touch += f" && {{ command -v {shlex.quote(python)} > /dev/null || exit {NO_PYTHON}; }}"
    try:
        done = subprocess.run(
            [*command, "--job-name=sweeper-preflight", "--chdir=/", "sh", "-c", touch],
            capture_output=True, text=True, timeout=60, check=False, env=environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return
    said = " ".join(done.stderr.split())
    try:
        if done.returncode == NO_PYTHON:
            raise ConfigError(
                f"hydra.launcher.python must be an interpreter that the nodes have, got {python}, which a node lacks; "
                "install it on a disk that they share, or give theirs"
            )
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
