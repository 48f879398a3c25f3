"""An app written for hydra-optuna-sweeper, unchanged: its config keys, data-loader workers, a resolver."""

import multiprocessing
from dataclasses import dataclass

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf


@dataclass
class Shape:
    kind: str = "sphere"
    power: int = 2


ConfigStore.instance().store(group="shape", name="sphere", node=Shape)
OmegaConf.register_new_resolver("negated", lambda v: -v)


@hydra.main(version_base=None, config_path="conf", config_name="config")
def sphere(cfg: DictConfig):
    assert OmegaConf.get_type(cfg.shape) is Shape, OmegaConf.get_type(cfg.shape)
    assert cfg.minus_x == -cfg.x
    with multiprocessing.Pool(2) as pool:  # as data loaders do
        first, second = pool.starmap(pow, [(cfg.x, cfg.shape.power), (cfg.y, cfg.shape.power)])
    if cfg.error:
        raise RuntimeError("cfg.error is True")
    if cfg.objectives == 2:
        return first + second, (cfg.x - 2) ** 2 + second
    return first + second


def extend(cfg: DictConfig, trial) -> None:
    x = trial.params["x"]
    trial.suggest_float("z", x - 1.0, x + 1.0)
    trial.suggest_float("+w", 0.0, 1.0)


if __name__ == "__main__":
    sphere()
