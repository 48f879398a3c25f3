"""What a trained run says of each example: its loss and its prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hydra.utils import to_absolute_path
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_model

from sweeper.errors import ConfigError
from sweeper.space_node import without_space
from sweeper.trial.data.examples import Array, Examples
from sweeper.trial.data.split import Parts
from sweeper.trial.fit import EVAL_BATCH
from sweeper.trial.setup import Setup, build
from sweeper.trial.train import WEIGHTS


def run_losses(folder: str, data: DictConfig, examples: Examples, parts: Parts) -> tuple[Array, Array]:
    """(examples,) losses and predictions of a trial's final weights; NaN and empty for test, which stays shut."""
    path = Path(to_absolute_path(folder))
    config, weights = path / ".hydra" / "config.yaml", path / WEIGHTS
    for needed in (config, weights):
        if not needed.is_file():
            raise ConfigError(
                f"inspect.run must be the folder of a trial that ended, got {folder} without {needed.name}"
            )
    cfg = OmegaConf.load(config)
    assert isinstance(cfg, DictConfig)
    cfg = without_space(cfg)
    theirs, ours = (OmegaConf.to_container(node, resolve=True) for node in (cfg.data, data))
    if theirs != ours:
        raise ConfigError(
            f"inspect.run must be of the data that are inspected, got data={theirs} in {folder}; give the same"
        )
    run = build(cfg, torch.device("cpu"))
    load_model(run.model, str(weights))
    return _losses(run, examples, parts)


@torch.no_grad()
def _losses(run: Setup, examples: Examples, parts: Parts) -> tuple[Array, Array]:
    loss = np.full(len(examples), np.nan)
    classes = examples.classes
    said: Array = np.full(len(examples), np.nan) if classes is None else np.full(len(examples), "", dtype=object)
    run.model.eval()
    for part, (inputs, targets) in zip(parts, (run.train, run.val), strict=False):
        outputs = torch.cat([run.model(piece) for piece in torch.split(inputs, EVAL_BATCH)])
        loss[part] = run.task.losses(outputs, targets).numpy()
        if classes is None:
            said[part] = outputs[:, 0].numpy() * run.data.target_std + run.data.target_mean
        else:
            said[part] = np.array(classes, dtype=object)[outputs.argmax(1).numpy()]
    return loss, said if classes is None else said.astype(np.str_)
