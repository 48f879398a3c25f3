"""A near-empty trial that needs torch: what is left is what a trial costs to start."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="noop")
def main(cfg: DictConfig) -> float:
    import torch

    return float(torch.tensor(cfg.x) ** 2)


if __name__ == "__main__":
    main()
