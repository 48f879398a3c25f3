"""An app for `python -m package.app` that does all it can before Hydra runs, and has no guard."""

import os
import sys
from dataclasses import dataclass

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from .words import OPTION

sys.argv.append(OPTION)
os.environ["APP_GREW"] = os.environ.get("APP_GREW", "") + "x"
os.makedirs("below", exist_ok=True)
os.chdir("below")


@dataclass
class Shape:
    kind: str = "sphere"


@dataclass
class Config:
    x: float = 1.0
    shape: Shape | None = None
    twice: float = "${times:${x},2}"


OmegaConf.register_new_resolver("times", lambda a, b: a * b)
ConfigStore.instance().store(name="config", node=Config)
ConfigStore.instance().store(group="shape", name="sphere", node=Shape)


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    assert __package__ == "package" and sys.modules["__main__"].main is main
    assert OmegaConf.get_type(cfg) is Config and OmegaConf.get_type(cfg.shape) is Shape
    assert cfg.twice == 2 * cfg.x and sys.argv.count(OPTION) == 1
    runtime = HydraConfig.get().runtime
    print(os.environ["APP_GREW"], os.getcwd(), sys.argv, sys.path[0], runtime.cwd, dict(runtime.choices))
    return cfg.x


main()
