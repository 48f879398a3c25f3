"""An app as lightning-hydra-template makes them: a search by `hparams_search=…`, a metric by its name."""

from typing import Any

import hydra
from omegaconf import DictConfig


def train(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    assert isinstance(cfg.model.width, int) and isinstance(cfg.model.use_dropout, bool)
    return {"val/acc_best": 0.5 + cfg.model.lr}, {}


def suggest(cfg: DictConfig, trial) -> None:
    """Dropout has a rate only where it is used (hydra#1906); what is fixed is in user_attrs."""
    if trial.params.get("model.use_dropout"):
        trial.suggest_float("model.dropout", 0.0, 0.5)
    if "task_name" not in trial.user_attrs:
        trial.suggest_categorical("task_name", ["x, y", "it's"])
    trial.suggest_int("seed", 8, 16, step=4)


def suggest_wrongly(cfg: DictConfig, trial) -> None:
    trial.params["no.such.key"]


def suggest_elsewhere(cfg: DictConfig, trial) -> None:
    trial.suggest_float("nowhere.lr", 0, 1)


@hydra.main(version_base="1.3", config_path="configs", config_name="train.yaml")
def main(cfg: DictConfig) -> float | None:
    metrics, _ = train(cfg)
    return metrics[cfg.optimized_metric] if cfg.optimized_metric else None


if __name__ == "__main__":
    main()
