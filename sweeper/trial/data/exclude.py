"""The list of examples to leave out: a text file, a name a line, ``#`` before remarks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from hydra.utils import to_absolute_path

from sweeper.errors import ConfigError
from sweeper.folder import replace
from sweeper.trial.data.examples import Examples


def read_list(path: str) -> list[str]:
    """The names in a list, in order; ConfigError if it can't be read."""
    try:
        lines = Path(to_absolute_path(path)).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"data.exclude must be a readable list, got {path} ({error}); a name a line") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def write_list(path: Path, names: Iterable[str], remark: str) -> None:
    """Write a list that :func:`read_list` reads; a file that is there and is no such list stays as it is."""
    begin = "# left out by data.exclude"
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(begin):
        raise ConfigError(f"inspect.exclude must be a new file or a list that it wrote, got {path}; name another")
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, "\n".join([f"{begin}: {remark}", *names]) + "\n")


def leave_out(examples: Examples, names: list[str], path: str) -> Examples:
    """The examples without those named, and without their problems; ConfigError for a name that is not there."""
    unwanted = set(names)
    known = np.arange(len(examples)) if examples.names is None else examples.names
    listed = known.astype(str).tolist()
    unreadable = {problem.where for problem in examples.problems if problem.example is None}
    if strange := sorted(unwanted.difference(listed, unreadable)):
        raise ConfigError(
            f"data.exclude must name examples of data={examples.name}, got {strange[0]!r} ({len(strange)} such) in "
            f"{path}; names look like {listed[0]!r}"
        )
    kept = examples.only(np.flatnonzero([name not in unwanted for name in listed]))
    problems = tuple(p for p in kept.problems if p.example is not None or p.where not in unwanted)
    return Examples(**{**vars(kept), "problems": problems})
