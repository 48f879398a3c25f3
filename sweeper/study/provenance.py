"""Where a study comes from: the command, the git commit and the difference from it, the versions."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.masked import masked
from sweeper.study.again import argv, interpreter_flags, order


@dataclass(frozen=True)
class Provenance:
    """The code that is about to run; ``commit`` is None outside a git checkout."""

    commit: str | None
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Provenance:
        names = ("hydra-core", "omegaconf", "optuna", "mlflow", "torch", "sweeper")
        versions = {"python": platform.python_version()}
        for name in names:
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        return cls(git_commit(), versions)

    def write_diff(self, path: Path) -> None:
        """What the tracked files differ by from the commit; untracked and ignored files stay out."""
        if self.commit is not None:
            diff = _git("diff", "HEAD")
            if diff:
                path.write_text(diff, encoding="utf-8", errors="surrogateescape")


def git_commit() -> str | None:
    """The commit checked out where the app's code lies, or None."""
    return _git("rev-parse", "HEAD").strip() or None


def _git(*arguments: str) -> str:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    where = Path(script).absolute().parent if script else Path.cwd()
    try:
        done = subprocess.run(
            ["git", "-C", where, *arguments],
            capture_output=True,
            timeout=20,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def program() -> list[str]:
    """How this process was started, without its arguments: ``python train.py`` or ``python -m package``."""
    flags, start = interpreter_flags(argv())
    if start and order() is not None and sys.argv and not start[0].startswith("-"):
        return ["python", *flags, start[0]]  # not the copy of it that is run again
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name != "__main__":  # which a zip file's is, or a folder's
        return ["python", *flags, "-m", spec.name.removesuffix(".__main__")]
    return ["python", *flags, *(start[:2] if sys.argv[:1] == ["-c"] else sys.argv[:1])]


def typed(overrides: Iterable[str]) -> bool:
    """Whether the command line gave Hydra its overrides: hydra_zen.launch gives its own, and so may a test."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    named = Path(sys.argv[0]).name if sys.argv else ""
    own = main is None or named in ("-", "-c", Path(main).name, Path(main).parent.name)  # of a folder, or a zip file
    return own and set(overrides) <= set(sys.argv[1:])


def _words() -> list[str]:
    """The arguments as Hydra has read them; an order adds its own."""
    return [word for word in sys.argv[1:] if order() is None or word in argv()]


def _own_words() -> list[str]:
    """What the app has taken off its arguments before Hydra read the rest, as one with argparse or click does."""
    _, start = interpreter_flags(argv())
    named = 2 if start[:1] == ["-m"] else 1
    if start[:1] == ["-c"] or program()[-1] not in start[:named]:
        return []
    left, taken = _words(), []
    for word in start[named:]:
        if left and word == left[0]:
            left.pop(0)
        else:
            taken.append(word)
    return [] if left else taken  # it has written words of its own there


def command_line(**overrides: object) -> str:
    """The command that started this process, as one would type it, with some ``overrides`` replaced or added.

    Dots of a key are written as ``__``: ``command_line(hydra__sweeper__n_trials=100)``.
    """
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    words = _words()
    last = {word.partition("=")[0]: i for i, word in enumerate(words)}
    kept = [w for i, w in enumerate(words) if (key := w.partition("=")[0]) not in given and last[key] == i]
    return masked(shlex.join([*program(), *_own_words(), *kept, *(f"{key}={value}" for key, value in given.items())]))


def rerun_command(overrides: Sequence[str], *, mode_of_config: bool) -> str:
    """The command that runs one trial alone: the config that this command names, with the trial's ``overrides``.

    ``mode_of_config`` says that the config itself asks for a sweep (``hydra.mode: MULTIRUN``), with ``-m`` or without.
    """
    mode = ["hydra.mode=RUN"] if mode_of_config else []
    return masked(shlex.join([*program(), *_own_words(), *_kept(), *mode, *overrides]))


def run_arguments(overrides: Sequence[str]) -> list[str]:
    """Its arguments, whatever the config asks for."""
    return [*_kept(), "hydra.mode=RUN", *overrides]


def config_flags() -> dict[str, str]:
    """Hydra's flags that say which config is composed, by their long names."""
    return {name: value for _, name, value in _arguments() if name is not None}


def _kept() -> list[str]:
    """What of this command's arguments one trial alone keeps."""
    kept: list[str] = []
    for words, name, _ in _arguments():
        key = words[0].partition("=")[0].lstrip("+~")
        if name is not None or (key.startswith(("hydra.", "hydra/")) and not re.match(_OF_SWEEPS, key)):
            kept += words
    return kept


def _arguments() -> Iterator[tuple[list[str], str | None, str]]:
    """This command's arguments: the words of each, and for a flag of ``_CONFIG_FLAGS`` its long name and value."""
    words = iter(sys.argv[1:])
    for word in words:
        flag, equals, value = word.partition("=")
        name = _CONFIG_FLAGS.get(flag)
        given = [word] if equals or name is None else [word, next(words, "")]
        yield given, name, value if equals else given[-1]


_CONFIG_FLAGS = {
    "--config-name": "config-name", "-cn": "config-name", "--config-path": "config-path", "-cp": "config-path",
    "--config-dir": "config-dir", "-cd": "config-dir",
}  # fmt: skip
_OF_SWEEPS = r"hydra[./](sweep|sweeper|launcher|mode)\b"
