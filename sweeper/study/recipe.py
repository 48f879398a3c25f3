"""Before a sweep: has ``stage=check`` passed for what it would train?"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

from sweeper import ledger
from sweeper.configs import before_its_job
from sweeper.errors import ConfigError
from sweeper.study.compose import Composer
from sweeper.study.view.terminal import say

STAGES = ("sweeper.trial.check.", "sweeper.trial.inspect.")  # these come before a check
PARTS = ("data", "model", "experiment")


def mind_checks(composer: Composer, examples: Sequence[Sequence[str]], fixed: Sequence[str]) -> None:
    """Say in one line what is unchecked or failed; ConfigError where ``recipe.strict`` is true.

    An app without a ``recipe`` key of its own is left alone.
    """
    found: dict[ledger.Identity, str] = {}
    strict = False
    for overrides in examples:
        cfg = composer.compose(overrides)
        if before_its_job(cfg, "recipe") is None or str(before_its_job(cfg, "stage._target_")).startswith(STAGES):
            return
        strict = bool(before_its_job(cfg, "recipe.strict"))
        identity = ledger.identity(cfg)
        if identity is not None and identity not in found:
            found[identity] = _complaint(cfg, identity, overrides, fixed)
    complaints = [text for text in found.values() if text]
    if not complaints:
        return
    more = f" ({len(complaints) - 1} more of {len(found)} combinations of data and model)" if complaints[1:] else ""
    if strict:
        raise ConfigError(
            f"recipe.strict must find a passed check of all that a sweep trains, got {complaints[0]}{more}"
        )
    say(f"{complaints[0]}{more}")


def _complaint(cfg: DictConfig, identity: ledger.Identity, overrides: Sequence[str], fixed: Sequence[str]) -> str:
    """What is wrong with this combination, and the command that checks it; empty if it has passed."""
    last = ledger.latest(Path.cwd(), identity)
    if last is not None and last["ok"]:
        return ""
    choices = cfg.hydra.runtime.choices
    name = " ".join(f"{part}={choices[part]}" for part in ("data", "model") if choices.get(part))
    command = shlex.join([*_app(), "stage=check", *_asked(overrides, fixed)])
    if last is None:
        return f"{name} not checked as it is now; run: {command}"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last["time"]))
    return f"{name} failed {', '.join(last['failed'][:3])} at its check of {when}; run: {command}"


def _app() -> list[str]:
    return ["python", os.path.relpath(sys.argv[0])]


def _asked(overrides: Sequence[str], fixed: Sequence[str]) -> Iterator[str]:
    """What was typed, and of what is swept the choices of data and model."""
    for override in overrides:
        key = override.split("=", 1)[0].lstrip("+~")
        typed = override in fixed and key.split(".", 1)[0] in (*PARTS, "optimizer", "regularizer")
        if typed or key in PARTS or key.startswith("data."):
            yield override
