"""``stage=check``: the checks on what a config builds."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from dataclasses import replace as change_fields
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sweeper import ledger
from sweeper.folder import replace
from sweeper.trial.check.batches import flat
from sweeper.trial.check.check import CheckFailed
from sweeper.trial.check.from_config import subject_of
from sweeper.trial.check.run import run_checks
from sweeper.trial.check.subject import Subject
from sweeper.trial.page import page
from sweeper.trial.report import artifact, report, tag
from sweeper.trial.setup import pick_device
from sweeper.trial.train import trial_folder
from sweeper.trial.verdict import FAIL, PASS, Report
from sweeper.trial.verdict_lines import lines

log = logging.getLogger(__name__)

PAGE, VERDICTS = "check.html", "check.json"


def check(
    cfg: DictConfig, *, device: str, threads: int, epochs: int, batch_size: int, only: list[str], skip: list[str]
) -> float:
    """Print the verdicts, write page and verdicts into the trial folder; CheckFailed unless all pass."""
    began = time.perf_counter()
    torch.set_num_threads(threads)
    subject = subject_of(cfg, pick_device(device), epochs=epochs, batch_size=batch_size)
    result = run_checks(subject, only=only, skip=skip)
    folder = trial_folder()
    result = change_fields(result, seconds=time.perf_counter() - began, page=folder / PAGE)
    print(*lines(result), sep="\n")
    print(f"page: {folder / PAGE}")
    sys.stdout.flush()
    record(result, folder)
    if not (only or skip):  # a part of the checks says nothing of the whole
        enter(cfg, subject, result, folder)
    if not result.ok:
        names = ", ".join(verdict.check for verdict in result.failures)
        raise CheckFailed(result, f"{len(result.failures)} of {len(result.verdicts)} checks failed: {names}")
    return 0.0


def record(result: Report, folder: Path) -> None:
    """The page, the verdicts and their numbers, into the trial's record."""
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / PAGE, page(result))
    replace(folder / VERDICTS, json.dumps(as_json(result), indent=2, ensure_ascii=False) + "\n")
    numbers = {"check.failed": float(len(result.failures)), "check.seconds": result.seconds}
    for verdict in result.verdicts:
        if verdict.state in (PASS, FAIL):
            numbers[f"check.{verdict.check}"] = float(verdict.state == PASS)
        numbers |= {f"check.{verdict.check}.{name}": value for name, value in verdict.measured.items()}
    report(step=0, **numbers)
    tag(check=_words(result), **{f"check.{v.check}": f"{v.state}: {v.reason}" for v in result.verdicts})
    artifact(folder / PAGE)
    artifact(folder / VERDICTS)


def _words(result: Report) -> str:
    return "pass" if result.ok else f"fail: {', '.join(verdict.check for verdict in result.failures)}"


def enter(cfg: DictConfig, subject: Subject, result: Report, folder: Path) -> None:
    """A line in the ledger, by which a sweep knows."""
    here = Path(HydraConfig.get().runtime.cwd) if HydraConfig.initialized() else Path.cwd()
    found = ledger.identity(cfg)
    if found is not None:
        failed = [verdict.check for verdict in result.failures]
        content = hashlib.blake2b(flat(subject.pool.inputs).numpy().tobytes(), digest_size=8)
        content.update(subject.pool.targets.cpu().numpy().tobytes())
        ledger.append(here, found, ok=result.ok, failed=failed, where=str(folder), content=content.hexdigest())


def as_json(result: Report) -> dict[str, object]:
    """The report without its pictures; the order is causal."""
    keep = ("check", "group", "tip", "state", "reason", "expected", "advice", "measured", "hypothesis", "seconds")
    verdicts = [{name: getattr(verdict, name) for name in keep} for verdict in result.verdicts]
    return {"subject": result.subject, "ok": result.ok, "seconds": result.seconds, "verdicts": verdicts}
