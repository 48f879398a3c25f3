"""The SLURM launcher beside hydra-submitit-launcher, on one throwaway cluster of eight slots with accounting."""

from __future__ import annotations

import compileall
import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.busy import busy_share, read_spans
from bench.command import APPS, PEER_PYTHON, PYTHON, ROOT, Failed, begin, finish, fresh_folder, run
from bench.table import Row, Table, at_least, at_most, seconds
from tests.slurm.cluster import Cluster, missing

SLOTS = 8
HELD = 5000
WATCH_S = 30.0
SWEEP = ("-m", "hydra/sweeper=optuna", "x=interval(0,1)")
OURS = ("hydra/launcher=slurm", "hydra.sweeper.tracking=null")
PEER = ("hydra/launcher=submitit_slurm",)


def measure(trials: int, uneven: int, unit_s: float) -> list[Table]:
    reason = missing(accounting=True)
    if reason is not None:
        raise Failed(reason)
    compileall.compile_dir(ROOT / "sweeper", quiet=1)  # as pip has done with the peer
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
    began = begin([*app, hold, "hydra.sweeper.detach=true", "hydra.sweep.dir=s"], fresh_folder("slurm-held"))
    submitting_mb = _peak_mb(began[0], math.inf)
    submitted = finish(*began)
    with _counted("squeue") as calls:
        process, _, _ = begin([*app, hold, "hydra.sweep.dir=s"], submitted.folder)
        watching_mb = _peak_mb(process, WATCH_S)
        cpu_s = sum(os.times()[2:4])
        process.terminate()
        process.wait(timeout=60)
        cpu_s = sum(os.times()[2:4]) - cpu_s
        polls = calls.read_text().count("\n")
    cluster.command("scancel", "--user=root")
    value, required, holds = at_most(polls, WATCH_S, "calls")
    rows = [
        Row(f"submit {HELD} trials, then detach", seconds(submitted.wall_s), "", ""),
        Row("peak memory of the orchestrator, submitting", f"{submitting_mb:.0f} MB", "", ""),
        Row("peak memory of the orchestrator, watching", f"{watching_mb:.0f} MB", "", ""),
        Row(f"CPU time of starting, adopting them and {WATCH_S:g} s of watching", seconds(cpu_s), "", ""),
        Row(f"squeue in {WATCH_S:g} s of watching", value, f"{HELD} jobs", "one a poll", required, holds),
    ]
    return Table("Thousands of queued jobs", "All jobs are held, so that none starts.", rows)


def _peak_mb(process: subprocess.Popen[bytes], timeout_s: float) -> float:
    """Peak memory of a process in its first ``timeout_s`` seconds or until it ends."""
    deadline, peak_mb = time.monotonic() + timeout_s, 0.0
    while time.monotonic() < deadline:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s*(\d+) kB", status)
        if found is None:  # it has ended
            break
        peak_mb = int(found[1]) / 1024
        time.sleep(0.1)
    return peak_mb


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
