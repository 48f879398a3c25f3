"""Four slots and one trial ten times as long as the rest: how much of the slots' time is used."""

from __future__ import annotations

import json
from pathlib import Path

from bench.command import APPS, PEER_PYTHON, PYTHON, Failed, fresh_folder, run
from bench.table import Row, Table, at_least

SLOTS = 4
APP = (str(APPS / "uneven.py"), "-m", "hydra/sweeper=optuna", "x=interval(0,1)")
OURS = (PYTHON, *APP, "hydra/launcher=local", f"hydra.launcher.slots={SLOTS}", "hydra.sweeper.tracking=null")
PEER = (PEER_PYTHON, *APP, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={SLOTS}", f"hydra.sweeper.n_jobs={SLOTS}")


def measure(trials: int, unit_s: float) -> Table:
    ours, peer = (_share(name, command, trials, unit_s) for name, command in (("sweeper", OURS), ("joblib", PEER)))
    value, required, holds = at_least(100 * ours, 95, "%")
    how = (
        f"{trials} trials that sleep {unit_s:g} s, but one of them ten times as long: the share of four slots' time "
        "that trials slept, from the start of the first trial to that of the last, when the queue is empty."
    )
    row = Row("slots busy", value, f"joblib, 4 jobs: {100 * peer:.3g} %", f"{ours / peer:.3g} ×", required, holds)
    return Table("Uneven trials", how, [row])


def _share(name: str, command: tuple[str, ...], trials: int, unit_s: float) -> float:
    ran = run([*command, f"unit_s={unit_s}", f"hydra.sweeper.n_trials={trials}"], fresh_folder(f"busy-{name}"))
    return busy_share(read_spans(ran.folder, trials), SLOTS)


def read_spans(folder: Path, trials: int) -> list[tuple[float, float]]:
    """When each trial slept; Failed unless all did."""
    slept = [json.loads(path.read_text()) for path in folder.rglob("slept.json")]
    if len(slept) != trials:
        raise Failed(f"{folder} must hold {trials} trials that slept, it has {len(slept)}")
    return slept


def busy_share(spans: list[tuple[float, float]], slots: int) -> float:
    """Of ``slots`` from the first start to the last one, the share that the (start, end) ``spans`` fill."""
    first, last = min(start for start, _ in spans), max(start for start, _ in spans)
    return sum(min(end, last) - start for start, end in spans) / (slots * (last - first))
