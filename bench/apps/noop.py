"""A trial that does nothing: what is left is the sweep's own cost."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="noop")
def main(cfg: DictConfig) -> float:
    return cfg.x


if __name__ == "__main__":
    main()
