"""From the start of `python train.py -m` to the end of the first trial's first step."""

from __future__ import annotations

import json
from statistics import median

from bench.command import APPS, PYTHON, ROOT, Failed, fresh_folder, run
from bench.table import Row, Table, at_most, seconds

ONE_STEP = ("stage.epochs=1", "stage.batch_size=4096")  # an epoch of one step over the whole split


def measure(repeats: int) -> Table:
    ours, bare = [], []
    for i in range(repeats + 1):
        pair = _sweep(), _bare()
        if i > 0:  # the first ones only warm the disk cache
            ours.append(pair[0])
            bare.append(pair[1])
    how = (
        "Ours: until the first `metrics` event of the first trial, an epoch of one step (validation included). Bare: a "
        "script that imports torch and hydra, loads the digits with scikit-learn and takes one Adam step. "
        f"Taken in turns, medians of {repeats}."
    )
    ratio = median(ours) / median(bare)
    row = Row(
        "start to first step", seconds(median(ours)), f"bare script: {seconds(median(bare))}", *at_most(ratio, 1.3)
    )
    return Table("Start", how, [row])


def _sweep() -> float:
    command = [PYTHON, str(ROOT / "train.py"), "-m", *ONE_STEP, "hydra.sweeper.n_trials=2", "hydra.launcher.slots=2"]
    ran = run([*command, "hydra.sweep.dir=study", "tracking=null"], fresh_folder("start"))
    times = []
    for path in ran.folder.glob("study/*/events.0.jsonl"):
        events = (json.loads(line) for line in path.read_text().splitlines())
        times += [event["time"] for event in events if event["event"] == "metrics"][:1]
    if len(times) != 2:
        raise Failed(f"{ran.folder} must hold two trials with metrics, it has {len(times)}")
    return min(times) - ran.started


def _bare() -> float:
    ran = run([PYTHON, str(APPS / "first_step.py")], fresh_folder("start-bare"))
    return float(ran.output.split()[-1]) - ran.started
