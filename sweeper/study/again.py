"""A study's own command once more, with an order: how ``collect`` and ``retry`` come by the app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sweeper.errors import ConfigError
from sweeper.masked import HIDDEN
from sweeper.study.study_folder import StudyFolder

COLLECT, RETRY = "collect", "retry"

# an environment variable rather than a key: a config written before it existed need not know it
_ORDER, _ARGV = "SWEEPER_ORDER", "SWEEPER_ARGV"
_told = {name: os.environ.pop(name, None) for name in (_ORDER, _ARGV)}  # a sweep within a trial is told nothing


def order() -> str | None:
    """The order that this process was started with."""
    return _told[_ORDER]


def argv() -> list[str]:
    """The command line that the person gave, for this process or for the one that it does again."""
    given = _told[_ARGV]
    return list(json.loads(given)) if given else [sys.executable, *sys.orig_argv[1:]]


def interpreter_flags(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Python's own options in a command line, and what follows them: the program and its arguments.

    A module is ``-m`` and its name, and a program as text ``-c`` and that, however they were joined (``-Om name``).
    """
    at = 1
    while at < len(given) and given[at].startswith("-") and given[at] != "-":
        word = given[at]
        letter = "" if word.startswith("--") else next((c for c in word[1:] if c in "cmWX"), "")
        if letter and letter in "cm":
            before, _, rest = word[1:].partition(letter)
            flags = [*given[1:at], *[f"-{before}"][: len(before)]]
            return flags, [f"-{letter}", *[rest][: len(rest)], *given[at + 1 :]]
        at += 2 if word == "--check-hash-based-pycs" or (letter and word.endswith(letter)) else 1
    return list(given[1:at]), list(given[at:])


def run_again(folder: Path, what: str) -> int:
    """Run the study's command with the order ``what``; its exit code."""
    study = StudyFolder(folder)
    if not study.exists:
        raise ConfigError(f"the folder must hold a study (study.yaml), got {str(folder)!r}; try multirun/<study name>")
    said = study.read()
    given, cwd = said.get("argv"), said.get("cwd")
    if not given or not cwd:
        raise ConfigError(f"{study.path / 'study.yaml'} must say how the study was started (argv, cwd), it does not")
    if interpreter_flags(given)[1][:1] == ["-"]:
        raise ConfigError(
            f"{what} runs the study's command again, whose program came from stdin; "
            "write it into a file, or give the study's command itself"
        )
    if hidden := [word for word in given if HIDDEN in word]:
        raise ConfigError(
            f"{what} needs the study's command with its password, which no file keeps, got {hidden[0]}; "
            "give the study's command itself"
        )
    if not Path(cwd).is_dir():
        raise ConfigError(f"{what} runs the study's command where it was given, got {cwd!r}, which is gone")
    there = "'" + str(study.path).replace("\\", "\\\\").replace("'", "\\'") + "'"
    pinned = [f"hydra.sweep.dir={there}", *([] if what == RETRY else ["hydra.sweeper.detach=false"])]
    env = {**os.environ, _ORDER: what, _ARGV: json.dumps(given)}
    if what == COLLECT:  # as submitted, whatever has been edited since
        from sweeper.study.snapshot import Snapshot

        snapshot = Snapshot.of(study.path)
        if snapshot is not None:
            given, env = snapshot.moved_program(given, cwd), {**env, **snapshot.environment(env)}
    return subprocess.run([*given, *pinned], cwd=cwd, env=env, check=False).returncode
