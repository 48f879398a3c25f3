"""A task function outside a sweep keeps the same record, and a child process relays it to MLflow."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from sweeper.study.provenance import git_commit
from sweeper.study.settings import read_tracking
from sweeper.study.tracking.relay_process import RelayProcess
from sweeper.trial.recorded import Recorded
from sweeper.trial.report import current_attempt


def recorded(task: Callable[[DictConfig], Any], cfg: DictConfig) -> Any:
    """Run ``task(cfg)`` with a record in Hydra's output folder; within a sweep the record is already open.

    ``cfg.tracking`` is ``mlflow`` (default where the key is missing), null, or ``{uri: …, experiment: …}``.
    """
    if current_attempt() is not None:
        return task(cfg)
    folder = Path(HydraConfig.get().runtime.output_dir)
    tracking = OmegaConf.select(cfg, "tracking", default="mlflow")
    if OmegaConf.is_config(tracking):
        tracking = OmegaConf.to_container(tracking, resolve=True)
    relay = RelayProcess.tracking(folder, read_tracking(tracking))
    relay.start_when_due(force=True)
    try:
        return Recorded(task, objectives=None, facts={"commit": git_commit(), "cwd": os.getcwd()})(cfg)
    finally:
        try:
            relay.finish(lambda text: print(f"sweeper: {text}", file=sys.stderr, flush=True))
        except KeyboardInterrupt:  # the run itself has ended, and the folder has its record
            relay.kill()
        if relay.address is not None:
            print(
                f"recorded in {os.path.relpath(folder)}; compare: {relay.address}",
                file=sys.stderr,
                flush=True,
            )
