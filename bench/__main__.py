"""`python -m bench [sweeps noop start busy scale outage slurm] [--write]`: ratios against peers, in the same run."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import busy, noop, outage, scale, slurm, start, sweeps
from bench.command import PEER_PYTHON, PYTHON, ROOT, delete_former
from bench.peers import install, versions
from bench.table import Table

ALL = "default: all but slurm, which needs root and the packages of `make test-slurm`"
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- written by `make bench` -->", "<!-- end -->"
BEGINS = {  # those with a place of their own on the page
    "sweeps": "<!-- written by `python -m bench sweeps` -->",
    "scale": "<!-- written by `python -m bench scale` -->",
    "outage": "<!-- written by `python -m bench outage` -->",
    "slurm": "<!-- written by `make bench-slurm` -->",
}
OURS = ["torch", "optuna", "hydra-core", "mlflow", "scikit-learn"]
PEERS = [*OURS, "hydra-optuna-sweeper", "hydra-joblib-launcher", "hydra-submitit-launcher", "joblib", "submitit", "ray"]


def main() -> int:
    args = arguments()
    install(ray=args.ray)
    measurements: dict[str, Callable[[], Table | list[Table]]] = {
        "sweeps": lambda: sweeps.measure(
            tuple(args.trials), tuple(args.slow_trials), tuple(args.limit_trials), args.repeats, args.ray
        ),
        "noop": lambda: noop.measure(tuple(args.noop_trials), tuple(args.noop_peer_trials)),
        "start": lambda: start.measure(args.starts),
        "busy": lambda: busy.measure(args.uneven_trials, args.unit_s),
        "scale": lambda: scale.measure(args.scale_trials),
        "outage": lambda: outage.measure(args.outage_trials, args.outage_repeats),
    }
    if "slurm" in args.which:
        measurements["slurm"] = lambda: slurm.measure(args.slurm_trials, args.slurm_uneven, args.slurm_unit_s)
    began, tables = time.monotonic(), dict[str, list[Table]]()
    print(environment(), "\n")
    for name in args.which or measurements:
        measured = measurements[name]()
        for table in measured if isinstance(measured, list) else [measured]:
            tables.setdefault(BEGINS.get(name, BEGIN), []).append(table)
            print(table.text(), flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    delete_former()
    if args.write:
        for begin, written in tables.items():
            write(DOCS, written, begin)
    return 1 if any(row.holds is False for some in tables.values() for table in some for row in table.rows) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "which", nargs="*", choices=["sweeps", "noop", "start", "busy", "scale", "outage", "slurm", []], help=ALL
    )
    two = {"nargs": 2, "type": int, "metavar": ("FEW", "MANY")}
    parser.add_argument("--trials", nargs=3, type=int, default=(10, 50, 90), metavar=("FEW", "MANY", "MOST"))
    parser.add_argument("--slow-trials", default=(2, 6), help="of submitit_local and Ray Tune", **two)
    parser.add_argument("--limit-trials", default=(50, 250), help="of ours, plain Optuna and bare loops", **two)
    parser.add_argument("--repeats", type=int, default=4, help="of ours, joblib's, plain Optuna's and bare loops")
    parser.add_argument("--noop-trials", default=(100, 500), **two)
    parser.add_argument("--noop-peer-trials", default=(50, 250), **two)
    parser.add_argument("--starts", type=int, default=4, help="of each command")
    parser.add_argument("--uneven-trials", type=int, default=40)
    parser.add_argument("--unit-s", type=float, default=2.0, help="length of an even trial")
    parser.add_argument("--scale-trials", type=int, default=10_000, help="at least 300")
    parser.add_argument("--outage-trials", type=int, default=200)
    parser.add_argument("--outage-repeats", type=int, default=3)
    parser.add_argument("--slurm-trials", type=int, default=40, help="near-empty ones")
    parser.add_argument("--slurm-uneven", type=int, default=32)
    parser.add_argument("--slurm-unit-s", type=float, default=20.0, help="length of an even trial")
    parser.add_argument("--ray", action="store_true", help="Ray Tune as one more peer")
    parser.add_argument("--write", action="store_true", help=f"write the tables to {DOCS.relative_to(ROOT)}")
    return parser.parse_args()


def environment() -> str:
    """Date, machine and versions, as lines."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    own, peers = (
        ", ".join(f"{n} {v}" for n, v in versions(python, names).items())
        for python, names in ((PYTHON, OURS), (PEER_PYTHON, PEERS))
    )
    lines = [
        f"Date: {datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.2f} at the start",
        f"Machine: {len(os.sched_getaffinity(0))} cores ({cpu_model()}), {memory_gib:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"Ours: {own}",
        f"Peers: {peers}",
    ]
    return "\n".join(lines)


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def write(path: Path, tables: list[Table], begin: str) -> None:
    """Put the tables in place of the former ones after ``begin``, the text around them untouched."""
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    listed = "\n".join(f"- {line}" for line in environment().splitlines())
    body = "\n".join([begin, "", listed, "", *(table.markdown() for table in tables), END])
    path.write_text(before + body + rest.partition(END)[2], encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
