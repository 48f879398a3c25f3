"""The ledger of checks: which data, model and code ``stage=check`` has looked at, when, and what came out.

Study and trial both know it, so it imports neither half. It is ``checks.jsonl`` where the command was typed: a line
a check, the last one of an identity counts. The check's folder has all of it too; the ledger finds it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sweeper.configs import before_its_job
from sweeper.lines import Tail, append_line
from sweeper.space_node import without_space

LEDGER = "checks.jsonl"
TRAINING = "sweeper.trial.fit.fit"  # the loop that every model of ours is trained with
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+\(?([^#\n]*)|import[ \t]+([\w.]+))", re.MULTILINE)


@dataclass(frozen=True)
class Identity:
    """What a verdict is about: ``data`` with its files' sizes and times, the ``model``'s class, the sources of both."""

    data: str
    model: str
    code: str


def identity(cfg: DictConfig) -> Identity | None:
    """Of a composed config with ``data`` and ``model``; None for any other. Milliseconds: reads sources, no data."""
    data, model = (_plain(before_its_job(cfg, key)) for key in ("data", "model"))
    if not (isinstance(data, dict) and isinstance(model, dict)):
        return None
    targets = [str(part["_target_"]) for part in (data, model) if part.get("_target_")]
    files = {path: [(s := os.stat(path)).st_size, s.st_mtime_ns] for path in sorted(_paths(data))}
    return Identity(_digest([data, files]), str(model.get("_target_")), _digest(list(_sources([*targets, TRAINING]))))


def append(folder: Path, found: Identity, *, ok: bool, failed: list[str], where: str, content: str) -> None:
    """Add a line; ``content`` is the digest of the examples themselves, ``where`` the folder with page and verdicts."""
    fd = os.open(folder / LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        append_line(fd, {"time": time.time(), **asdict(found), "content": content, "ok": ok, "failed": failed,
                         "folder": where})  # fmt: skip
    finally:
        os.close(fd)


def latest(folder: Path, found: Identity) -> dict[str, Any] | None:
    """The last line on this identity; None if there is none."""
    lines = [line for line in Tail(folder / LEDGER).read() if asdict(found).items() <= line.items()]
    return lines[-1] if lines else None


def _plain(node: Any) -> Any:
    """As nested dicts without spaces, interpolations resolved where they can be."""
    if not isinstance(node, DictConfig):
        return node
    node = without_space(node)
    try:
        return OmegaConf.to_container(node, resolve=True)
    except Exception:  # resolves only within a trial
        return OmegaConf.to_container(node, resolve=False)


def _paths(node: Any) -> Iterator[str]:
    """Existing files and folders among the values, and the folders in these: a file that comes or goes shows there."""
    if isinstance(node, dict):
        for value in node.values():
            yield from _paths(value)
    elif isinstance(node, str) and os.sep in node and os.path.exists(node):
        yield node
        if os.path.isdir(node):
            yield from (entry.path for entry in os.scandir(node) if entry.is_dir())


def _sources(targets: list[str]) -> Iterator[tuple[str, str]]:
    """(module, digest) of each module named, and of those that it imports, outside of installed packages."""
    roots = [entry for entry in sys.path if _is_own(entry)]
    own = lru_cache(
        lambda package: any(_file(root, package) or os.path.isdir(os.path.join(root, package)) for root in roots)
    )
    waiting, seen = [module for target in targets for module in _prefixes(target)], {"sweeper"}
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        if not own(module.split(".", 1)[0]) or (path := _find(module, roots)) is None:
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        yield module, hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        for origin, names, plain in _IMPORT.findall(text):
            waiting += [origin or plain, *(f"{origin}.{name}" for name in re.findall(r"\w+", names) if origin)]


def _prefixes(target: str) -> list[str]:
    """``a.b.C`` may be class C of module a.b, or of a class in a."""
    parts = target.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))] or [target]


def _is_own(entry: str) -> bool:
    """A place for a person's own modules: neither installed packages nor Python's library."""
    return not ("-packages" in entry or entry.endswith(".zip") or entry.startswith((sys.base_prefix, sys.prefix)))


def _find(module: str, roots: list[str]) -> str | None:
    """The source of a module, without importing it."""
    relative = module.replace(".", os.sep)
    return next((path for root in roots if (path := _file(root, relative))), None)


def _file(root: str, relative: str) -> str | None:
    for name in (f"{relative}.py", os.path.join(relative, "__init__.py")):
        if os.path.isfile(path := os.path.join(root or ".", name)):
            return path
    return None


def _digest(value: object) -> str:
    text = json.dumps(sorted(value) if isinstance(value, list) and value and isinstance(value[0], tuple) else value,
                      sort_keys=True, default=str)  # fmt: skip
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
