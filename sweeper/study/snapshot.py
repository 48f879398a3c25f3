"""A study's copy of the code, so that jobs run what was submitted whatever is edited meanwhile.

``<study>/code/`` holds git's tracked files as they stood, changes included. What git does not track or ignores
(data, outputs, environments) is linked back to where it lies, so that paths made from ``__file__`` still lead
there; untracked modules are linked too, and named, since edits to those do reach the jobs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import cache_from_source
from pathlib import Path

from sweeper.study.launchers.command import Command
from sweeper.study.study_folder import STUDY

CODE, ABOUT = "code", "code.json"
MAX_MB = 500  # more than that is data, which does not belong in a copy a study


@dataclass(frozen=True)
class Snapshot:
    """``root`` as it stood, in ``copy``; ``untracked`` modules are not in it."""

    root: Path
    copy: Path
    untracked: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: Path) -> Snapshot | None:
        """The newest one of a study, if it has any."""
        try:
            said = json.loads((study / ABOUT).read_text(encoding="utf-8"))
            return cls(Path(said["root"]), Path(said["copy"]), tuple(said["untracked"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @classmethod
    def take(cls, study: Path, program: Path) -> Snapshot | str:
        """Copy the checkout that holds ``program``; why there is none, otherwise."""
        root = _git(program.parent, "rev-parse", "--show-toplevel").strip()
        if not root:
            return f"{program.parent} is not in a git checkout"
        listed = _git(Path(root), "ls-files", "-z", "--recurse-submodules").split("\0")
        tracked = [name for name in listed if name and os.path.lexists(os.path.join(root, name))]
        others = _git(Path(root), "ls-files", "-z", "--others", "--exclude-standard").split("\0")
        size_mb = sum(os.lstat(os.path.join(root, name)).st_size for name in tracked) / 2**20
        if size_mb > MAX_MB:
            return f"git tracks {size_mb:.0f} MB in {root}, more than {MAX_MB}"
        number = 0
        while (copy := study / f"{CODE}{f'.{number}' if number else ''}").exists():
            number += 1
        loose = [name for name in others if name.endswith(".py")]
        studies = {at for at in {p for name in loose for p in Path(name).parents} if (Path(root) / at / STUDY).exists()}
        made = cls(Path(root), copy, tuple(name for name in loose if studies.isdisjoint(Path(name).parents)))
        made._copy(tracked)
        about = study / f".{ABOUT}"
        about.write_text(json.dumps({"root": root, "copy": str(copy), "untracked": list(made.untracked)}))
        about.replace(study / ABOUT)
        return made

    def _copy(self, tracked: list[str]) -> None:
        kept = {".git"}
        for name in tracked:
            there = self.copy / name
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / name, there, follow_symlinks=False)
            if name.endswith(".py"):  # with the bytecode, so that not each job compiles it: 0.07 s for 250 modules
                compiled = Path(cache_from_source(self.root / name))
                if compiled.exists():
                    Path(cache_from_source(there)).parent.mkdir(exist_ok=True)
                    shutil.copy2(compiled, cache_from_source(there))
            kept |= {name, *(str(parent) for parent in Path(name).parents)}
        for folder in sorted({*(k for k in kept if (self.copy / k).is_dir())}):
            for entry in os.scandir(self.root / folder):
                name = os.path.normpath(os.path.join(folder, entry.name))
                if name not in kept and entry.name != "__pycache__":
                    os.symlink(entry.path, self.copy / name)

    def same(self) -> bool:
        """Whether the tracked files are still as they were copied."""
        listed = _git(self.root, "ls-files", "-z", "--recurse-submodules").split("\0")
        return all(_equal(self.root / name, self.copy / name) for name in listed if name)

    def moved(self, path: str, cwd: str) -> str:
        """``path`` (relative to ``cwd``) inside the copy, if it is a tracked file or a folder of them."""
        whole = Path(cwd, path)
        try:
            inside = whole.relative_to(self.root)
        except ValueError:
            return path
        there = self.copy / inside
        copied = there.exists() and there.resolve() == self.copy.resolve() / inside  # else it is linked back
        return str(there) if path and copied else path

    def moved_program(self, argv: Sequence[str], cwd: str) -> list[str]:
        """A command line whose script is the copy's."""
        return [self.moved(word, cwd) if Path(cwd, word).is_file() else word for word in argv]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """PYTHONPATH that has the copy's packages go before those installed from the checkout (``pip -e``)."""
        paths = [p for p in sys.path if p and self.moved(p, "/") != p]
        moved = list(dict.fromkeys(self.moved(p, "/") for p in paths))
        given = [p for p in env.get("PYTHONPATH", "").split(os.pathsep) if p]
        return {"PYTHONPATH": os.pathsep.join([*moved, *(self.moved(p, "/") for p in given)])}

    def command(self, command: Command) -> Command:
        """The same command, its program from the copy; its working folder stays."""
        at = command.program
        return replace(
            command,
            program=None if at is None else self.moved(at, command.cwd),
            root=self.moved(command.cwd, "/"),
            path=tuple(self.moved(p, "/") for p in command.path),
        )


def _equal(one: Path, other: Path) -> bool:
    if not os.path.lexists(one) or not os.path.lexists(other):
        return os.path.lexists(one) == os.path.lexists(other)
    return one.is_symlink() or one.is_dir() or one.read_bytes() == other.read_bytes()


def _git(where: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", where, *arguments], capture_output=True, timeout=60, text=True,
            errors="surrogateescape", check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
