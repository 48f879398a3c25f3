"""The digits perceptron, swept with MLflow on two slots: whole commands, peers beside ours, and the limit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

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
    """Seconds of a whole command by its number of trials, in each round, and what each trial more adds."""

    walls: dict[int, list[float]]

    @property
    def marginals_s(self) -> list[float]:
        few, many = min(self.walls), max(self.walls)
        return [(b - a) / (many - few) for a, b in zip(self.walls[few], self.walls[many], strict=True)]

    def walls_s(self, trials: int) -> list[float]:
        """Measured, or drawn out along the marginal cost."""
        many = max(self.walls)
        drawn = [wall + (trials - many) * s for wall, s in zip(self.walls[many], self.marginals_s, strict=True)]
        return self.walls.get(trials, drawn)


def measure(
    trials: tuple[int, int, int], slow: tuple[int, int], limits: tuple[int, int], repeats: int, ray: bool
) -> Table:
    few, many, most = trials
    start, end = limits
    once = {"basic": (few, many), "submitit_local": slow}
    if ray:
        once |= {"Ray Tune": (few, many), "Ray Tune, reuse_actors": (few, many)}
    tracked: dict[str, dict[int, list[float]]] = {"sweeper": {}, "joblib": {}}
    plain: dict[str, dict[int, list[float]]] = {"sweeper": {}, **{tool: {} for tool in PLAIN}}
    loops_s: list[float] = []
    # taking turns, so that a slower minute of the machine meets both sides of a requirement
    for seed in range(repeats):
        for n in trials:
            tracked["joblib"].setdefault(n, []).append(sweep("joblib", n))
        before_s = two_bare_loops(end, 2 * seed)
        for n in (start, end):
            tracked["sweeper"].setdefault(n, []).append(sweep("sweeper", n, seed))
            for tool, runs in plain.items():
                runs.setdefault(n, []).append(_untracked(n, seed) if tool == "sweeper" else _plain(tool, n))
        loops_s.append(mean((before_s, two_bare_loops(end, 2 * seed + 1))))
    costs = {tool: Cost(walls) for tool, walls in tracked.items()}
    costs |= {tool: Cost({n: [sweep(tool, n)] for n in counts}) for tool, counts in once.items()}
    for tool, cost in costs.items():
        if median(cost.marginals_s) <= 0:
            raise Failed(
                f"{tool}: more trials took no longer, {cost.walls}; measure on a quiet machine, or more trials"
            )
    how = (
        f"Whole commands of {many} trials, start included, until every run is FINISHED in MLflow's SQLite store; each "
        f"tool at its defaults. Sweeper, joblib, plain Optuna and bare loops took turns {repeats} times, with other "
        "draws each time: medians, of the ratios as well. The others ran once. "
        f"The marginal time of joblib is from {few} and {most} trials, of basic{' and Ray' * ray} from {few} and "
        f"{many}, of submitit_local from {slow[0]} and {slow[1]}, drawn out to {many}; of sweeper, which brings runs "
        f"to MLflow in a process beside the trials, and of plain Optuna from {start} and {end}, where that "
        "has started. The peers' app trains by `bench/apps/digits_mlp.py`, the same work to the same end as our "
        "code, which does it with less of torch's Python (last rows, `sweeper/trial/step.py`), and logs each epoch's "
        "metrics in one call. Plain Optuna logs nothing."
    )
    bare = {tool: Cost(walls) for tool, walls in plain.items()}
    rows = [
        *_compare(costs, many),
        *_compare(bare, start, ", no MLflow"),
        *_limits(costs["sweeper"], bare["sweeper"], loops_s, end),
    ]
    return Table(f"{many} trainings with MLflow on two slots", how, rows)


def sweep(tool: str, trials: int, seed: int = 0) -> float:
    """Seconds of one whole sweep, its store complete; the seed is that of our draws, the peers' are always others."""
    drawn = [f"hydra.sweeper.seed={seed}"] if tool == "sweeper" else []
    ran = run(
        [*COMMANDS[tool], *_total(tool, trials), *drawn],
        fresh_folder(f"{tool.replace(', ', '-').replace(' ', '-')}-{trials}"),
    )
    require_runs(ran.folder, trials, metric="val_loss", steps=EPOCHS)
    return ran.wall_s


def _untracked(trials: int, seed: int) -> float:
    """Seconds of one of our sweeps that keeps its record in trial folders alone."""
    untracked = ("hydra.sweeper.tracking=null", f"hydra.sweeper.seed={seed}")
    return run([*COMMANDS["sweeper"], *untracked, *_total("", trials)], fresh_folder("untracked")).wall_s


def _plain(tool: str, trials: int) -> float:
    """Seconds of plain Optuna on one journal: two processes, or two threads of one."""
    folder, processes = fresh_folder("plain-optuna"), PLAIN[tool]
    sizes = [str(trials // processes), str(2 // processes)]
    command = [PYTHON, str(APPS / "plain_optuna.py"), str(folder / "optuna.journal"), *sizes]
    return max(ran.wall_s for ran in _at_once([command] * processes, folder))


def _at_once(commands: list[list[str]], folder: Path) -> list[Ran]:
    """Commands side by side, each in a folder of its own."""
    parts = [folder / str(number) for number in range(len(commands))]
    for part in parts:
        part.mkdir()
    begun = [begin(command, part) for command, part in zip(commands, parts, strict=True)]
    return [finish(*b) for b in begun]


def _total(tool: str, trials: int) -> list[str]:
    return [str(trials)] if tool.startswith("Ray") else [f"hydra.sweeper.n_trials={trials}"]


def _over(ours: list[float], peer: list[float]) -> float:
    """The median of the rounds' ratios; of the medians where they were not measured in turns."""
    if len(ours) == len(peer):
        return median(a / b for a, b in zip(ours, peer, strict=True))
    return median(ours) / median(peer)


def _compare(costs: dict[str, Cost], n: int, what: str = "") -> list[Row]:
    ours, rows = costs["sweeper"], []
    bounds = {"joblib": 2, "submitit_local": 20}
    marginal_bounds = {"joblib": 0.4, "plain Optuna, two processes": 1}
    for tool, cost in costs.items():
        if tool == "sweeper":
            continue
        ratio = _over(cost.walls_s(n), ours.walls_s(n))
        verdict = at_least(ratio, bounds[tool]) if tool in bounds else (f"{ratio:.3g} ×",)
        speeds = (
            f"{60 * n / wall:.0f}/min in {seconds(wall)}" for wall in (median(c.walls_s(n)) for c in (ours, cost))
        )
        rows.append(Row(f"trials a minute, {n} trials{what}", next(speeds), f"{tool}: {next(speeds)}", *verdict))
    for tool, cost in costs.items():
        if tool == "sweeper":
            continue
        ratio = _over(ours.marginals_s, cost.marginals_s)
        verdict = at_most(ratio, marginal_bounds[tool]) if tool in marginal_bounds else (f"{ratio:.3g} ×",)
        sides = (seconds(median(c.marginals_s)) for c in (ours, cost))
        rows.append(Row(f"marginal time a trial{what}", next(sides), f"{tool}: {next(sides)}", *verdict))
    return rows


def _limits(ours: Cost, untracked: Cost, loops_s: list[float], trials: int) -> list[Row]:
    (plain_s, plain_cpu_s), (own_s, own_cpu_s) = bare_loop("plain", trials), bare_loop("ours", trials)
    loops, no_mlflow = "two bare loops, one a core", "marginal time a trial, no MLflow"
    against: list[tuple[str, list[float], str, list[float], float | None]] = [
        ("marginal time a trial", ours.marginals_s, loops, loops_s, 1.35),
        (no_mlflow, untracked.marginals_s, loops, loops_s, 1.15),
        (no_mlflow, untracked.marginals_s, "half of one bare loop's, the other core idle", [plain_s / 2], None),
        ("bare loop of our training code", [own_s], "of the peers'", [plain_s], None),
        ("the same in CPU time", [own_cpu_s], "of the peers'", [plain_cpu_s], None),
    ]
    rows = []
    for what, a, peer, b, bound in against:
        ratio = _over(a, b)
        verdict = at_most(ratio, bound) if bound else (f"{ratio:.3g} ×",)
        rows.append(Row(what, seconds(median(a)), f"{peer}: {seconds(median(b))}", *verdict))
    return rows


def bare_loop(code: str, trials: int) -> tuple[float, float]:
    """Wall and CPU seconds a training in one process, one after another."""
    ran = run([PYTHON, str(APPS / "bare_loop.py"), code, str(trials)], fresh_folder(f"bare-{code}"))
    wall_s, cpu_s = map(float, ran.output.split()[-2:])
    return wall_s, cpu_s


def two_bare_loops(trials: int, seed: int = 0) -> float:
    """Seconds a training where both cores train, each in a loop of its own that does half of them."""
    loop = [PYTHON, str(APPS / "bare_loop.py"), "plain", str(trials // 2)]
    ran = _at_once([[*loop, str(2 * seed + one)] for one in range(2)], fresh_folder("bare-two"))
    return sum(float(one.output.split()[-2]) for one in ran) / 2 / 2
