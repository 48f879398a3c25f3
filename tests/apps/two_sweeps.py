"""An app that sweeps twice; what it sees of its environment as its first line runs, its trials return."""

import os
import sys

import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="config", node={"x": 0.5})
given = list(sys.argv)
threads, gpu = int(os.environ.get("OMP_NUM_THREADS", "0")), int(os.environ["CUDA_VISIBLE_DEVICES"].split(",")[0])


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def first(cfg):
    return 1.0


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def second(cfg):
    return float(threads), float(gpu)


if __name__ == "__main__":
    sys.argv[:] = [*given, "hydra.sweep.dir=first"]
    first()
    sys.argv[:] = [*given, "hydra.sweep.dir=second", "hydra.sweeper.direction=[minimize,minimize]"]
    second()
