"""The SLURM launcher beside hydra-submitit-launcher, on one throwaway cluster of eight slots with accounting."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.busy import busy_share, read_spans
from bench.command import APPS, PEER_PYTHON, PYTHON, Failed, begin, fresh_folder, run
from bench.table import Row, Table, at_least, seconds
from tests.slurm.cluster import Cluster, missing

SLOTS = 8
HELD = 5000
WATCH_S = 30.0
SWEEP = ("-m", "hydra/sweeper=optuna", "x=interval(0,1)")
OURS = ("hydra/launcher=slurm", "hydra.sweeper.tracking=null", "hydra.launcher.snapshot=false")
PEER = ("hydra/launcher=submitit_slurm",)


def measure(trials: int, uneven: int, unit_s: float) -> list[Table]:
    reason = missing(accounting=True)
    if reason is not None:
        raise Failed(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder), accounting=True, cpus=SLOTS // 2)
        cluster.up()
        os.environ.update(cluster.env)
        try:
            return [_short(trials), _uneven(uneven, unit_s), _held(cluster)]
        finally:
            cluster.down()


def _short(trials: int) -> Table:
    app = (str(APPS / "tiny_torch.py"), *SWEEP, f"hydra.sweeper.n_trials={trials}")
    warm = "hydra.launcher.preload=[torch]"
    commands = {
        "packed": (PYTHON, *app, *OURS, warm, "hydra.launcher.trials_per_job=10"),
        "one a job": (PYTHON, *app, *OURS),
        "peer": (PEER_PYTHON, *app, *PEER, f"hydra.sweeper.n_jobs={trials}"),
    }
    walls: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(2):  # taking turns, so that a slower minute of the machine meets all
        for name, command in commands.items():
            walls[name].append(run(command, fresh_folder(f"slurm-{name.replace(' ', '-')}")).wall_s)
    speed = {name: trials / min(wall) for name, wall in walls.items()}
    peer = f"one array of hydra-submitit-launcher: {speed['peer']:.2g}/s"
    rows = [
        Row(f"trials a second, {what}", f"{speed[name]:.2g}/s", peer, *at_least(speed[name] / speed["peer"], bound))
        for name, what, bound in (("packed", "trials_per_job=10", 8), ("one a job", "one a job", 1))
    ]
    how = f"Whole commands of {trials} near-empty torch trials on {SLOTS} slots, the better of two runs each."
    return Table("Short trials on SLURM", how, rows)


def _uneven(trials: int, unit_s: float) -> Table:
    app = (str(APPS / "uneven.py"), *SWEEP, f"unit_s={unit_s}", f"hydra.sweeper.n_trials={trials}")
    ours, peer = (PYTHON, *app, *OURS), (PEER_PYTHON, *app, *PEER, f"hydra.sweeper.n_jobs={SLOTS}")
    shares = {}
    for name, command in (("ours", ours), ("peer", peer)):
        ran = run(command, fresh_folder(f"slurm-uneven-{name}"))
        shares[name] = busy_share(read_spans(ran.folder, trials), SLOTS)
    value, required, holds = at_least(100 * shares["ours"], 90, "%")
    peer_text = f"hydra-submitit-launcher: {100 * shares['peer']:.3g} %"
    ratio = f"{shares['ours'] / shares['peer']:.3g} ×"
    how = f"{trials} trials that sleep {unit_s:g} s, one of them ten times as long, a job each on {SLOTS} slots."
    return Table("Uneven trials on SLURM", how, [Row("slots busy", value, peer_text, ratio, required, holds)])


def _held(cluster: Cluster) -> Table:
    """What thousands of queued jobs cost the orchestrator."""
    app = (PYTHON, str(APPS / "noop.py"), *SWEEP, *OURS, f"hydra.sweeper.n_trials={HELD}")
    hold = "+hydra.launcher.additional_parameters.hold=true"
    submitted = run([*app, hold, "hydra.sweeper.detach=true", "hydra.sweep.dir=s"], fresh_folder("slurm-held"))
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    with _counted("squeue") as calls:
        process, _, _ = begin([*app, hold, "hydra.sweep.dir=s"], submitted.folder)
        time.sleep(WATCH_S)
        process.terminate()
        process.wait(timeout=60)
        watched = calls.read_text().count("\n")
    cluster.command("scancel", "--user=root")
    rows = [
        Row(f"submit {HELD} trials, then detach", seconds(submitted.wall_s), "", ""),
        Row("peak memory of the largest process", f"{peak_mb:.0f} MB", "", ""),
        Row(f"calls of squeue in {WATCH_S:g} s of watching them", str(watched), f"{HELD} jobs", "one a poll"),
    ]
    return Table("Thousands of queued jobs", "All jobs are held, so that none starts.", rows)


@contextmanager
def _counted(program: str) -> Iterator[Path]:
    """A file that gains a line at each call of ``program``."""
    real, before = shutil.which(program), os.environ["PATH"]
    with tempfile.TemporaryDirectory() as folder:
        calls, shim = Path(folder, "calls"), Path(folder, program)
        calls.touch()
        shim.write_text(f'#!/bin/sh\necho >>"{calls}"\nexec {real} "$@"\n')
        shim.chmod(0o755)
        os.environ["PATH"] = f"{folder}:{before}"
        try:
            yield calls
        finally:
            os.environ["PATH"] = before
