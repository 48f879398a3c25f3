"""An app whose trials use a GPU, and misuse it; CUDA=started has used it before Hydra runs."""

import os
import signal
import time

import hydra
import torch
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="config", node={"x": 0.5, "mode": "ok"})


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    free, _ = torch.cuda.mem_get_info()
    held = torch.ones(free // 8 if cfg.mode == "fits" else 2**20, dtype=torch.uint8, device="cuda")
    if cfg.mode == "too_big":
        torch.ones(2 * free, dtype=torch.uint8, device="cuda")
    if cfg.mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.mode == "hang":
        time.sleep(3600)
    return float(held[-1])


if __name__ == "__main__":
    if os.environ.get("CUDA") == "started":
        torch.zeros(1, device="cuda")
    main()
