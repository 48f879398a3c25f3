"""The digits perceptron, swept with MLflow on two slots: whole commands, peers beside ours, and the limit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.command import APPS, PEER_PYTHON, PYTHON, ROOT, Failed, Ran, begin, finish, fresh_folder, require_runs, run
from bench.table import Row, Table, at_least, at_most, seconds

EPOCHS = 10
SPACE = ("width=choice(32,64,128,256)", "depth=choice(1,2)", "lr=tag(log,interval(1e-4,1e-1))")
PEER = (PEER_PYTHON, str(APPS / "peer.py"), "-m", "hydra/sweeper=optuna", *SPACE)

COMMANDS: dict[str, tuple[str, ...]] = {
    "sweeper": (PYTHON, str(ROOT / "train.py"), "-m", "hydra.launcher.slots=2"),
    "joblib": (*PEER, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=2"),
    "basic": (*PEER, "hydra/launcher=basic", "hydra.sweeper.n_jobs=1"),
    "submitit_local": (*PEER, "hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2"),
    "Ray Tune": (PEER_PYTHON, str(APPS / "ray_tune.py")),
    "Ray Tune, reuse_actors": (PEER_PYTHON, str(APPS / "ray_tune.py"), "--reuse-actors"),
}
PLAIN = {"plain Optuna, two processes": 2, "plain Optuna, two threads": 1}  # how many processes


@dataclass(frozen=True)
class Cost:
    """Seconds of a whole command by its number of trials, and what each trial more adds."""

    walls: dict[int, float]

    @property
    def marginal_s(self) -> float:
        few, many = min(self.walls), max(self.walls)
        return (self.walls[many] - self.walls[few]) / (many - few)

    def wall_s(self, trials: int) -> float:
        """Measured, or drawn out along the marginal cost."""
        many = max(self.walls)
        return self.walls.get(trials, self.walls[many] + (trials - many) * self.marginal_s)

    def per_minute(self, trials: int) -> float:
        return 60 * trials / self.wall_s(trials)


def measure(
    trials: tuple[int, int, int], slow: tuple[int, int], limits: tuple[int, int], repeats: int, ray: bool
) -> Table:
    few, many, most = trials
    once = {"basic": (few, many), "submitit_local": slow}
    if ray:
        once |= {"Ray Tune": (few, many), "Ray Tune, reuse_actors": (few, many)}
    tracked = [("sweeper", n) for n in dict.fromkeys((many, *limits))] + [("joblib", n) for n in trials]
    walls: dict[tuple[str, int], list[float]] = {}
    plain: dict[str, dict[int, list[float]]] = {tool: {n: [] for n in limits} for tool in ("sweeper", *PLAIN)}
    loops_s = []
    for _ in range(repeats):  # taking turns, so that a slower minute of the machine meets both sides of a requirement
        for tool, n in tracked:
            walls.setdefault((tool, n), []).append(sweep(tool, n))
        loops_s.append(two_bare_loops(limits[1]))
        for tool, runs in plain.items():
            for n, found in runs.items():
                found.append(_untracked(n) if tool == "sweeper" else _plain(tool, n))
        loops_s.append(two_bare_loops(limits[1]))
    for tool, counts in once.items():
        for n in counts:
            walls[tool, n] = [sweep(tool, n)]
    tools = dict.fromkeys(tool for tool, _ in walls)
    costs = {tool: Cost({n: median(w) for (t, n), w in walls.items() if t == tool}) for tool in tools}
    for tool, cost in costs.items():
        if cost.marginal_s <= 0:
            raise Failed(
                f"{tool}: more trials took no longer, {cost.walls}; measure on a quiet machine, or more trials"
            )
    how = (
        f"Whole commands of {many} trials, start included, until every run is FINISHED in MLflow's SQLite store; each "
        f"tool at its defaults. Sweeper, joblib, plain Optuna and bare loops: medians of {repeats}, the others once. "
        f"The marginal time of joblib is from {few} and {most} trials, of basic{' and Ray' * ray} from {few} and "
        f"{many}, of submitit_local from {slow[0]} and {slow[1]}, drawn out to {many}; of sweeper, which brings runs "
        f"to MLflow in a process beside the trials, and of plain Optuna from {limits[0]} and {limits[1]}, where that "
        "has started. The peers' app trains by `bench/apps/digits_mlp.py`, the same work to the same end as our "
        "code, which does it with less of torch's Python (last rows, `sweeper/trial/step.py`), and logs each epoch's "
        "metrics in one call. Plain Optuna logs nothing."
    )
    bare = {tool: Cost({n: median(found) for n, found in runs.items()}) for tool, runs in plain.items()}
    rows = [
        *_compare(costs, many),
        *_compare(bare, limits[0], ", no MLflow"),
        *_limits(costs["sweeper"], bare["sweeper"], median(loops_s), many),
    ]
    return Table(f"{many} trainings with MLflow on two slots", how, rows)


def sweep(tool: str, trials: int) -> float:
    """Seconds of one whole sweep, its store complete."""
    ran = run(
        [*COMMANDS[tool], *_total(tool, trials)], fresh_folder(f"{tool.replace(', ', '-').replace(' ', '-')}-{trials}")
    )
    require_runs(ran.folder, trials, metric="val_loss", steps=EPOCHS)
    return ran.wall_s


def _untracked(trials: int) -> float:
    """Seconds of one of our sweeps that keeps its record in trial folders alone."""
    return run(
        [*COMMANDS["sweeper"], "hydra.sweeper.tracking=null", *_total("", trials)], fresh_folder("untracked")
    ).wall_s


def _plain(tool: str, trials: int) -> float:
    """Seconds of plain Optuna on one journal: two processes, or two threads of one."""
    folder, processes = fresh_folder("plain-optuna"), PLAIN[tool]
    sizes = [str(trials // processes), str(2 // processes)]
    command = [PYTHON, str(APPS / "plain_optuna.py"), str(folder / "optuna.journal"), *sizes]
    return max(ran.wall_s for ran in _at_once(command, folder, processes))


def _at_once(command: list[str], folder: Path, processes: int) -> list[Ran]:
    """So many of one command side by side, each in a folder of its own."""
    parts = [folder / str(number) for number in range(processes)]
    for part in parts:
        part.mkdir()
    begun = [begin(command, part) for part in parts]
    return [finish(*b) for b in begun]


def _total(tool: str, trials: int) -> list[str]:
    return [str(trials)] if tool.startswith("Ray") else [f"hydra.sweeper.n_trials={trials}"]


def _compare(costs: dict[str, Cost], n: int, what: str = "") -> list[Row]:
    ours, rows = costs["sweeper"], []
    bounds = {"joblib": 2, "submitit_local": 20}
    marginal_bounds = {"joblib": 0.4, "plain Optuna, two processes": 1}
    for tool, cost in costs.items():
        if tool == "sweeper":
            continue
        ratio = ours.per_minute(n) / cost.per_minute(n)
        verdict = at_least(ratio, bounds[tool]) if tool in bounds else (f"{ratio:.3g} ×",)
        speeds = (f"{c.per_minute(n):.0f}/min in {seconds(c.wall_s(n))}" for c in (ours, cost))
        rows.append(Row(f"trials a minute, {n} trials{what}", next(speeds), f"{tool}: {next(speeds)}", *verdict))
    for tool, cost in costs.items():
        if tool == "sweeper":
            continue
        ratio = ours.marginal_s / cost.marginal_s
        verdict = at_most(ratio, marginal_bounds[tool]) if tool in marginal_bounds else (f"{ratio:.3g} ×",)
        rows.append(
            Row(
                f"marginal time a trial{what}",
                seconds(ours.marginal_s),
                f"{tool}: {seconds(cost.marginal_s)}",
                *verdict,
            )
        )
    return rows


def _limits(ours: Cost, untracked: Cost, loops_s: float, trials: int) -> list[Row]:
    (plain_s, plain_cpu_s), (own_s, own_cpu_s) = bare_loop("plain", trials), bare_loop("ours", trials)
    loops, no_mlflow = "two bare loops, one a core", "marginal time a trial, no MLflow"
    against: list[tuple[str, float, str, float, float | None]] = [
        ("marginal time a trial", ours.marginal_s, loops, loops_s, 1.35),
        (no_mlflow, untracked.marginal_s, loops, loops_s, 1.15),
        (no_mlflow, untracked.marginal_s, "half of one bare loop's, the other core idle", plain_s / 2, None),
        ("bare loop of our training code", own_s, "of the peers'", plain_s, None),
        ("the same in CPU time", own_cpu_s, "of the peers'", plain_cpu_s, None),
    ]
    return [
        Row(what, seconds(a), f"{peer}: {seconds(b)}", *(at_most(a / b, bound) if bound else (f"{a / b:.3g} ×",)))
        for what, a, peer, b, bound in against
    ]


def bare_loop(code: str, trials: int) -> tuple[float, float]:
    """Wall and CPU seconds a training in one process, one after another."""
    ran = run([PYTHON, str(APPS / "bare_loop.py"), code, str(trials)], fresh_folder(f"bare-{code}"))
    wall_s, cpu_s = map(float, ran.output.split()[-2:])
    return wall_s, cpu_s


def two_bare_loops(trials: int) -> float:
    """Seconds a training where both cores train, each in a loop of its own that does half of them."""
    command = [PYTHON, str(APPS / "bare_loop.py"), "plain", str(trials // 2)]
    return sum(float(ran.output.split()[-2]) for ran in _at_once(command, fresh_folder("bare-two"), 2)) / 2 / 2
