"""An app whose trials say what they find in their process, and leave something in it."""

import atexit
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import hydra
import numpy as np
import torch
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

import sweeper

ConfigStore.instance().store(name="config", node={"leave": "nothing", "x": 0.5})


def found() -> dict:
    return {
        "folder": os.getcwd(),
        "environment": os.environ.get("LEFT"),
        "arguments": len(sys.argv),
        "path": sys.path,
        "resolver": OmegaConf.has_resolver("left"),
        "warnings": len(warnings.filters),
        "torch": [torch.get_default_dtype().itemsize, torch.is_grad_enabled(), torch.get_num_threads()],
        "threads": threading.active_count(),
        "signal": str(signal.getsignal(signal.SIGUSR1)),
        "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text(),
        "output": [stream.name for stream in (sys.stdout, sys.stderr)],
        "log": os.path.basename(os.readlink("/proc/self/fd/1")),
    }


def leave(what: str) -> None:
    match what:
        case "folder":
            os.chdir("/")
        case "environment":
            os.environ["LEFT"] = "1"
        case "arguments":
            sys.argv.append("left")
            sys.path.append("left")
        case "resolver":
            OmegaConf.register_new_resolver("left", str)
        case "warnings":
            warnings.simplefilter("error")
        case "random":
            torch.manual_seed(7)
            np.random.seed(7)
            random.seed(7)
        case "output":
            sys.stdout = io.StringIO()
        case "dtype":
            torch.set_default_dtype(torch.float64)
        case "grad":
            torch.set_grad_enabled(False)
        case "thread":
            threading.Thread(target=time.sleep, args=(0.3,)).start()
        case "child":
            subprocess.Popen(["sleep", "100"])
        case "orphan":
            subprocess.run(["sh", "-c", "sleep 100 &"], check=True)
        case "handler":
            atexit.register(lambda: Path(HydraConfig.get().runtime.output_dir, "handled").touch())
        case "signal":
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        case "pruned":
            raise sweeper.Pruned("enough")
        case "error":
            raise RuntimeError("broken")
        case "exit":
            sys.exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    seen = {"pid": os.getpid(), "found": found(), "drawn": [torch.rand(()).item(), np.random.rand(), random.random()]}
    Path(HydraConfig.get().runtime.output_dir, "seen.json").write_text(json.dumps(seen))
    print("this is", cfg.leave)
    leave(cfg.leave)
    return cfg.x


if __name__ == "__main__":
    main()
