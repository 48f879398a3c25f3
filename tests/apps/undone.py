"""An app that leaves to the interpreter's end what it could do itself."""

import gzip
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.shared_memory import SharedMemory

import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="config", node={"leave": "file", "id": 0, "x": 0.5})
KEPT = []


def late(name: str) -> None:
    time.sleep(0.3)
    with open(name, "w") as file:
        file.write("written")


def drain(queue: multiprocessing.Queue, name: str) -> None:
    while (words := queue.get()) == "and more":
        pass
    with open(name, "w") as file:
        file.write(words)


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    context, name = multiprocessing.get_context("fork"), f"{cfg.leave}.txt"
    match cfg.leave:
        case "file":
            KEPT.append(open(name, "w"))  # noqa: SIM115
            KEPT[-1].write("written")
        case "gzip":
            KEPT.append(gzip.open(name, "wt"))  # noqa: SIM115
            KEPT[-1].write("written")
        case "child":
            context.Process(target=late, args=(name,)).start()
        case "queue":
            queue = context.Queue()
            context.Process(target=drain, args=(queue, name)).start()
            for _ in range(1000):
                queue.put("and more")
            queue.put("written")
        case "thread":
            threading.Thread(target=time.sleep, args=(3600,), name="endless").start()
        case "process":
            context.Process(target=time.sleep, args=(3600,), name="endless").start()
        case "shared" | "killed":
            KEPT.append(SharedMemory(f"undone-{cfg.id}-{cfg.leave}", create=True, size=9))
            if cfg.leave == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
    return cfg.x


if __name__ == "__main__":
    main()
