"""An app that starts a thread before Hydra runs, stops it after, and registers what is for its end alone."""

import atexit
import threading

import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="config", node={"x": 0.5})
stop = threading.Event()


def beat():
    while not stop.wait(0.01):
        pass


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(cfg):
    late = threading.Timer(0.2, print, ["a thread of the trial's own"])
    late.start()
    return cfg.x


if __name__ == "__main__":
    threading.Thread(target=beat, name="heartbeat").start()
    atexit.register(print, "the sweep is over")
    try:
        main()
    finally:
        stop.set()
