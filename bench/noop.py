"""Trials that do nothing: the sweep's own cost, in wall time on two slots and in the orchestrator's CPU."""

from __future__ import annotations

from bench.command import APPS, PEER_PYTHON, PYTHON, Ran, fresh_folder, require_runs, run
from bench.table import Row, Table, at_most, seconds

APP = (str(APPS / "noop.py"), "-m", "hydra/sweeper=optuna", "x=interval(0,1)")
OURS = (PYTHON, *APP, "hydra/launcher=local", "hydra.launcher.slots=2")
PEER = (PEER_PYTHON, *APP, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=2")


def measure(trials: tuple[int, int], peer_trials: tuple[int, int]) -> Table:
    untracked = _marginal("untracked", [*OURS, "hydra.sweeper.tracking=null"], trials)
    tracked = _marginal("tracked", OURS, trials, tracked=True)
    peer = _marginal("joblib", PEER, peer_trials)
    rows = []
    for name, (wall_s, cpu_s) in {"no tracking": untracked, "with MLflow": tracked}.items():
        for what, ours, theirs, bound_ms in (("wall", wall_s, peer[0], 50), ("orchestrator's CPU", cpu_s, peer[1], 10)):
            _, required, holds = at_most(ours * 1000, bound_ms, "ms")
            against = f"joblib, no tracking: {seconds(theirs)}"
            rows.append(
                Row(f"{what} a trial, {name}", seconds(ours), against, f"{ours / theirs:.3g} ×", required, holds)
            )
    how = (
        f"What a trial more adds on two slots, from {trials[0]} and {trials[1]} trials (the peer: {peer_trials[0]} "
        f"and {peer_trials[1]}). CPU is the sweeping process's own, without the processes that it starts."
    )
    return Table("Trials that do nothing", how, rows)


def _marginal(
    name: str, command: list[str] | tuple[str, ...], sizes: tuple[int, int], tracked: bool = False
) -> tuple[float, float]:
    """Wall and CPU seconds a trial."""
    ran: list[Ran] = []
    for n in sizes:
        ran.append(run([*command, f"hydra.sweeper.n_trials={n}"], fresh_folder(f"noop-{name}-{n}")))
        if tracked:
            require_runs(ran[-1].folder, n, metric="objective", steps=1)
    few, many = ran
    n = sizes[1] - sizes[0]
    return (many.wall_s - few.wall_s) / n, (many.cpu_s - few.cpu_s) / n
