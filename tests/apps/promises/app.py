"""An app that leans on what Hydra promises a job, and writes down what it got."""

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd
from omegaconf import OmegaConf

log = logging.getLogger(__name__)


@dataclass
class Model:
    width: int = 4


@dataclass
class Config:
    x: int = 1
    name: str = "${hydra:job.name}-${hydra:job.num}"
    where: str = "${hydra:runtime.output_dir}"
    half: float = "${div:${x},2}"
    model: Model = field(default_factory=Model)


OmegaConf.register_new_resolver("div", lambda a, b: a / b)
ConfigStore.instance().store(name="promises", node=Config)


def numbers(workers):
    """What data loaders do: worker processes, a thread, a subprocess."""
    import multiprocessing

    with multiprocessing.Pool(workers) as pool:
        found = pool.map(abs, [-1, -2, -3])
    thread = threading.Thread(target=found.append, args=(4,))
    thread.start()
    thread.join()
    return [*found, int(subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, check=True).stdout)]


@hydra.main(version_base="1.3", config_path=None, config_name="promises")
def main(cfg: Config) -> float:
    log.info("x is %s", cfg.x)
    print("printed")
    logging.getLogger("a.library").warning("mind this")
    known = OmegaConf.to_container(HydraConfig.get(), resolve=True)
    Path(HydraConfig.get().runtime.output_dir, "seen.json").write_text(
        json.dumps(
            {
                "hydra": {k: v for k, v in known.items() if k not in ("sweeper", "launcher")},
                "cfg": OmegaConf.to_container(OmegaConf.create(cfg), resolve=True),
                "type": OmegaConf.get_type(cfg.model).__name__,
                "cwd": os.getcwd(),
                "original_cwd": get_original_cwd(),
                "env": {k: os.environ.get(k) for k in ("APP_SET", "APP_COPIED")},
                "numbers": numbers(2),
                "main": getattr(sys.modules["__main__"], "main", None) is main,
            },
            default=str,
        )
    )
    return cfg.half


if __name__ == "__main__":
    main()
