"""Configs of trials over three groups of our own options: `compose.py TRIALS`.

Prints CPU seconds a trial by our composer after the first of each combination, and by Hydra itself.
"""

import itertools
import random
import sys
import time
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import setup_globals

from sweeper.study.compose import Composer, job_config

CONF = Path(__file__).parents[2] / "conf"
GROUPS = {"model": ["mlp", "cnn", "linear"], "optimizer": ["adam", "adamw", "sgd"], "stage": ["train", "inspect"]}


def main(trials: int, by_hydra: int = 20) -> None:
    setup_globals()
    draw = random.Random(0)
    with initialize_config_dir(str(CONF), version_base="1.3", job_name="train"):
        loader = GlobalHydra.instance().config_loader()
        master = compose("config", return_hydra_config=True)
        composer = Composer(loader, master)
        for options in itertools.product(*GROUPS.values()):
            job_config(composer, overrides(options, draw), 0, "multirun/first")
        asked = [overrides([draw.choice(o) for o in GROUPS.values()], draw) for _ in range(trials)]
        began = time.process_time()
        for number, of_trial in enumerate(asked):
            job_config(composer, of_trial, number, "multirun/first")
        ours_s = (time.process_time() - began) / trials
        began = time.process_time()
        for of_trial in asked[:by_hydra]:
            loader.load_sweep_config(master, of_trial)
        print(ours_s, (time.process_time() - began) / by_hydra)


def overrides(options: list[str] | tuple[str, ...], draw: random.Random) -> list[str]:
    chosen = [f"{group}={option}" for group, option in zip(GROUPS, options, strict=True)]
    return [*chosen, f"optimizer.lr={10 ** draw.uniform(-4, -1)}", f"seed={draw.randrange(1000)}"]


if __name__ == "__main__":
    main(int(sys.argv[1]))
