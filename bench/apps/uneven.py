"""Trials of ``unit_s`` seconds, but trial 4 takes ten times that; each leaves when it slept in its folder."""

import json
import time
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

LONG = 4  # the first of the second round on four slots


@hydra.main(version_base="1.3", config_path="conf", config_name="uneven")
def main(cfg: DictConfig) -> float:
    hydra_cfg = HydraConfig.get()
    start = time.time()
    time.sleep(cfg.unit_s * (10 if hydra_cfg.job.num == LONG else 1))
    Path(hydra_cfg.runtime.output_dir, "slept.json").write_text(json.dumps([start, time.time()]))
    return cfg.x


if __name__ == "__main__":
    main()
