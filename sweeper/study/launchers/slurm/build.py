"""Build what trials of each combination of options would build, in a fresh process, before anything is submitted.

``python -m sweeper.study.launchers.slurm.build`` reads a pickle from stdin: the command, the functions to call with
each config (``module:function``) and the overrides of each example. It prints the first failure as one line.
"""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence

from sweeper.errors import ConfigError
from sweeper.study.compose import job_config
from sweeper.study.launchers.command import Command
from sweeper.study.launchers.job import JobRunner
from sweeper.study.launchers.worker import DoorNotReached, enter
from sweeper.trial.ending import describe

_SAYS = "sweeper.build: "


def check(command: Command, functions: Sequence[str], examples: Sequence[Sequence[str]], sweep_dir: str) -> None:
    """ConfigError for the first example that a function refuses."""
    asked = pickle.dumps((command, list(functions), [list(e) for e in examples], sweep_dir))
    interpreter = [*command.interpreter()[:-1], "sweeper.study.launchers.slurm.build"]
    done = subprocess.run(interpreter, input=asked, capture_output=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        said = next((line.removeprefix(_SAYS) for line in lines if line.startswith(_SAYS)), lines[-1] if lines else "")
        raise ConfigError(f"{said}; nothing was submitted (hydra.launcher.build=[] leaves this check out)")


def main() -> None:
    command, functions, examples, sweep_dir = pickle.load(sys.stdin.buffer)

    def then(runner: JobRunner) -> int:
        for overrides in examples:
            try:
                cfg = job_config(runner.composer, overrides, 0, sweep_dir)
                for name in functions:
                    module, _, function = name.partition(":")
                    getattr(importlib.import_module(module), function)(cfg)
            except Exception as error:
                print(f"{_SAYS}{' '.join(overrides)}: {describe(error)[1]}", file=sys.stderr, flush=True)
                os._exit(1)
        os._exit(0)  # what the program does after its sweep is not wanted here

    try:
        enter(command, then)
    except DoorNotReached as error:
        print(f"{_SAYS}{error}", file=sys.stderr, flush=True)
        os._exit(1)


if __name__ == "__main__":
    from sweeper.study.launchers.slurm import build  # by its own name: this __main__ makes way for the program's

    build.main()
