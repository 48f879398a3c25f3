"""An outside app whose trials are several processes: they add up their ranks with torch's own gloo."""

import os
import signal
import time
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig

import sweeper

ConfigStore.instance().store(name="config", node={"x": 0.5, "mode": "ok"})


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    import torch
    from torch import distributed

    rank = int(os.environ["RANK"])
    Path(HydraConfig.get().runtime.output_dir, f"seen.{rank}").write_text(os.environ["SLURMD_NODENAME"])
    sweeper.report(step=0, rank=rank)
    if rank == 1 and cfg.mode == "raise":
        raise RuntimeError("the weights exploded")
    if rank == 1 and cfg.mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.mode == "hang":
        if rank == 1:
            raise RuntimeError("its half is missing")
        time.sleep(3600)  # as NCCL does when a partner is gone
    distributed.init_process_group("gloo")
    total = torch.tensor(float(rank + 1))
    distributed.all_reduce(total)
    distributed.destroy_process_group()
    return total.item() if rank == 0 else None


if __name__ == "__main__":
    main()
