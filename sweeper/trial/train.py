"""``stage=train``: one network, from config to objective."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from safetensors.torch import save_model
from torch import nn

from sweeper.errors import ConfigError, nearest
from sweeper.folder import replace
from sweeper.trial.checkpoint import Checkpoint
from sweeper.trial.data import open_test
from sweeper.trial.fit import Fitted, evaluate, fit
from sweeper.trial.ranks import processes
from sweeper.trial.report import artifact, current_attempt, report
from sweeper.trial.setup import Setup, build, on_device, pick_device
from sweeper.trial.start_event import flatten

log = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"
TEST = "test.json"


def train(
    cfg: DictConfig, *, epochs: int, batch_size: int, checkpoint_every_s: float, test: bool, device: str
) -> float:
    """Train what ``cfg`` says, keep weights and checkpoint in the trial folder, return ``cfg.objective``.

    The objective is a validation metric of the final weights: the last epoch's, or the restored one's.
    """
    _check("epochs", epochs, 1, 10)
    _check("batch_size", batch_size, 1, 128)
    _check("checkpoint_every_s", checkpoint_every_s, 0, 30)
    began = time.perf_counter()
    folder = trial_folder()
    ranks = processes()
    run = build(cfg, ranks.device(pick_device(device)))
    if cfg.objective not in run.metrics:
        known = ", ".join(run.metrics)
        raise ConfigError(
            f"objective must be one of {known}, got {cfg.objective}{nearest(str(cfg.objective), run.metrics)}"
        )

    attempt = current_attempt()
    checkpoint = Checkpoint(
        folder,
        every_s=checkpoint_every_s,
        config=identity(cfg, batch_size),
        attempt=attempt.number if attempt is not None else 0,
    )
    fitted = fit(run, epochs=epochs, batch_size=batch_size, checkpoint=checkpoint, ranks=ranks)
    metrics = dict(fitted.metrics)
    if ranks.rank:
        return metrics[cfg.objective]
    save_weights(run.model, folder / WEIGHTS)
    if test:
        metrics |= test_once(cfg.data, run, fitted, folder / TEST)
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    log.info(
        "%s, %s: %s (losses in %s) with epoch %d of %d%s, %.2f s on %s",
        run.data, type(run.model).__name__, numbers, run.task.loss_unit, fitted.epoch, len(fitted.history),
        f", stopped by {fitted.stopped}" if fitted.stopped else "", time.perf_counter() - began, run.device,
    )  # fmt: skip
    return metrics[cfg.objective]


def trial_folder() -> Path:
    """The open record's folder, else Hydra's output folder, else the current one."""
    if (attempt := current_attempt()) is not None:
        return attempt.folder
    return Path(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else Path.cwd()


def identity(cfg: DictConfig, batch_size: int) -> dict[str, object]:
    """The values that make a run's numbers; epochs are not among them, so that a run can be made longer."""
    parts = ("seed", "data", "model", "optimizer", "regularizer")
    values = {key: value for key, value in flatten(cfg).items() if key.split(".")[0] in parts}
    return {**values, "stage.batch_size": batch_size}


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights as safetensors, beside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    save_model(model, str(beside))
    beside.replace(path)


def test_once(data: DictConfig, run: Setup, fitted: Fitted, path: Path) -> dict[str, float]:
    """Evaluate the final weights on test and record when; the same epoch's are never evaluated again."""
    openings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    if not openings or openings[-1]["epoch"] != fitted.epoch:
        values = evaluate(run.model, run.task, *on_device(open_test(data), run.device))
        opened = datetime.now(UTC).isoformat(timespec="seconds")
        metrics = {f"test_{name}": value for name, value in values.items()}
        openings.append({"opened": opened, "epoch": fitted.epoch, "metrics": metrics})
        replace(path, json.dumps(openings, indent=2) + "\n")
    latest: dict[str, float] = openings[-1]["metrics"]
    report(step=len(fitted.history), **latest)
    artifact(path)
    return latest


def _check(name: str, value: float, least: int, repair: int) -> None:
    if not value >= least:
        raise ConfigError(f"stage.{name} must be >= {least}, got {value}; try stage.{name}={repair}")
