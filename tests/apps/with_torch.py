"""An app that has torch loaded when Hydra starts; TORCH says what it has used of it by then."""

import os

import hydra
import torch
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="config", node={"x": 0.5})


def on_two_threads() -> float:
    assert torch.get_num_threads() == 2
    return torch.ones(2**20).mul_(2.0).sum().item()


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    return on_two_threads() * cfg.x


if __name__ == "__main__":
    torch.set_num_threads(2)
    match os.environ.get("TORCH"):
        case "openmp":
            on_two_threads()
        case "cuda":
            torch.cuda.is_available()
    main()
