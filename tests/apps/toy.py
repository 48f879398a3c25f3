"""An outside Hydra app without torch: a quadratic, and on request every way a trial can go wrong."""

import math
import multiprocessing
import os
import signal
import sys
import time
from itertools import count, takewhile

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

import sweeper

OmegaConf.register_new_resolver("double", lambda v: 2 * v)
ConfigStore.instance().store(
    name="config",
    node={"x": 0.5, "y": 0.0, "mode": "ok", "doubled": "${double:${x}}", "sleep": 0.0, "steps": 0},
)


def grow() -> None:
    kept = []
    while True:
        kept.append(bytearray(b"x" * 2**24))


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    value = (cfg.x - 0.3) ** 2 + cfg.y**2
    assert cfg.doubled == 2 * cfg.x
    for step in range(cfg.steps):
        sweeper.report(step=step, loss=value + 1 / (step + 1))
        time.sleep(cfg.sleep)
    if not cfg.steps:
        time.sleep(cfg.sleep)
    match cfg.mode:
        case "diverge":
            return math.nan
        case "address":
            raise ConnectionError(f"can't reach {cfg.mine}")
        case "naïve":
            raise ValueError(cfg.mode)
        case "raise":
            raise RuntimeError("the weights exploded")
        case "exit":
            sys.exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory":
            grow()
        case "print":
            for _ in range(100):
                print("x" * 1_000_000)
        case "hang":
            time.sleep(3600)
        case "graceful" | "wrapped" if not os.path.exists("go"):
            try:
                print("training", flush=True)
                time.sleep(3600)
            except KeyboardInterrupt:  # as trainers do that hand back what they have
                if cfg.mode == "wrapped":
                    raise RuntimeError("a data loader's worker was killed") from None
        case "children" | "forking":
            if cfg.mode == "forking":  # a child's first moments are long, and what is raised in them is lost
                os.register_at_fork(after_in_child=lambda: time.sleep(3600))
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,))
            child.start()
            print("training", flush=True)
            child.join()
        case "wait" | "stubborn":
            if cfg.mode == "stubborn":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while not os.path.exists("go"):
                time.sleep(0.05)
        case "steady":
            for step in takewhile(lambda _: not os.path.exists("go"), count()):
                sweeper.report(step=step, loss=value)
                time.sleep(0.1)
        case "full" if not os.path.exists("go"):
            open("go", "w").close()  # the next attempt finds space
            with open("/dev/full", "w") as file:
                file.write("a checkpoint")
        case "gpus":
            for name in ("CUDA_VISIBLE_DEVICES", "SLURM_CPUS_PER_TASK"):
                print(f"{name}={os.environ.get(name)!r}")
        case "flaky":
            if cfg.x > 0.5 and not os.path.exists("go"):
                raise RuntimeError("not yet")
        case "none":
            return None
        case "orphan":
            if os.fork() == 0:
                os.setsid()
                time.sleep(3600)
        case "two":
            return value, -value
    return value


if __name__ == "__main__":
    main()
