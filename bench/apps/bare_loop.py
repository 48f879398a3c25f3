"""The same trainings one after another in one process: `bare_loop.py plain|ours TRIALS [SEED]`.

Prints wall and CPU seconds a trial.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import digits_mlp
import torch

ROOT = Path(__file__).parents[2]


def draws(seed: int = 0) -> Iterator[dict[str, float]]:
    """Points of the space that our own options declare."""
    draw = random.Random(seed)
    while True:
        width, depth = draw.choice([32, 64, 128, 256]), draw.choice([1, 2])
        yield {"width": width, "depth": depth, "lr": 10 ** draw.uniform(-4, -1)}


def ours() -> Callable[..., None]:
    """Our data, model, optimizer and epochs; no record, no checkpoint, no sweep."""
    sys.path.insert(0, str(ROOT))
    from hydra import compose, initialize_config_dir

    from sweeper.space_node import without_space
    from sweeper.trial.fit import evaluate, train_epoch
    from sweeper.trial.setup import build

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = without_space(compose("config"))

    def train(*, width: int, depth: int, lr: float) -> None:
        cfg.model.width, cfg.model.depth, cfg.optimizer.lr = width, depth, lr
        run = build(cfg, torch.device("cpu"))
        run.regularizers.training_began(digits_mlp.EPOCHS)
        for epoch in range(1, digits_mlp.EPOCHS + 1):
            train_epoch(run, epoch, digits_mlp.BATCH_SIZE)
            evaluate(run.model, run.task, *run.val)

    return train


if __name__ == "__main__":
    torch.set_num_threads(1)
    train = ours() if sys.argv[1] == "ours" else digits_mlp.train
    train(width=32, depth=1, lr=1e-3)  # the first optimizer imports lazily
    trials = int(sys.argv[2])
    start, start_cpu = time.perf_counter(), time.process_time()
    for point in islice(draws(int(sys.argv[3]) if len(sys.argv) > 3 else 0), trials):
        train(**point)
    print((time.perf_counter() - start) / trials, (time.process_time() - start_cpu) / trials)
