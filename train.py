"""Train a network: one run with `python train.py`, a sweep of many with `python train.py -m`."""

import hydra
from omegaconf import DictConfig

from sweeper.single import recorded


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float | None:
    """Run the stage that the config names and return the objective."""
    from sweeper.trial.stage import run  # imports torch: only where a trial runs

    return recorded(run, cfg)


if __name__ == "__main__":
    main()
