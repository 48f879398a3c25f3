"""Every plant and every healthy program: what was caught, and under which name; writes docs/planted.md.

python tests/planted/matrix.py [--seeds 5] [--only TEXT] [--jobs 2] [--dry]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import plants
import torch

PAGE = Path(__file__).parents[2] / "docs" / "planted.md"


def one(job: tuple[str, int, int]) -> tuple[str, int, int, list[str], str, float]:
    which, index, seed = job
    torch.set_num_threads(1)
    plants.load_all()
    plant = getattr(plants, which)[index]
    began = time.perf_counter()
    try:
        report = plants.run(plant, seed)
        failed = [v.check for v in report.failures]
        reason = report.failures[0].reason if failed else ""
        unmeasured = [f"{v.check}: {v.reason}" for v in report if "could not be measured" in v.reason]
        reason = "; ".join([reason, *unmeasured])
    except Exception as error:
        failed, reason = ["crashed"], f"{type(error).__name__}: {error}"
    return which, index, seed, failed, reason, time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--which", default="BUGS,HEALTHY")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args()
    plants.load_all()
    jobs = []
    for which, seeds in (("BUGS", 1), ("HEALTHY", args.seeds)):
        for index, plant in enumerate(getattr(plants, which)):
            if which in args.which and args.only in plant.kind + plant.group:
                jobs += [(which, index, seed) for seed in range(seeds)]
    results = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=spawn) as pool:  # its workers may have data-loader workers
        for done in as_completed([pool.submit(one, job) for job in jobs]):
            which, index, seed, failed, reason, seconds = done.result()
            plant = getattr(plants, which)[index]
            results[which, index, seed] = failed, reason
            right = (failed[:1] and failed[0] in plant.names) if which == "BUGS" else not failed
            mark = "ok  " if right else "MISS"
            print(f"{mark} {seconds:4.1f} s {plant.kind} [{seed}]: {failed[:4]} {reason[:260]}", flush=True)
    text, good = page(results, args.seeds)
    print(text.split("\n\n")[1])
    if not args.dry:
        PAGE.write_text(text, encoding="utf-8")
    return 0 if good else 1


def page(results: dict, seeds: int) -> tuple[str, bool]:
    bugs = [(plants.BUGS[i], failed, reason) for (w, i, _), (failed, reason) in sorted(results.items()) if w == "BUGS"]
    caught = sum(bool(failed) for _, failed, _ in bugs)
    named = sum(bool(failed) and failed[0] in plant.names for plant, failed, _ in bugs)
    runs = [
        (plants.HEALTHY[i], seed, failed) for (w, i, seed), (failed, _) in sorted(results.items()) if w == "HEALTHY"
    ]
    alarms = [(plant, seed, failed) for plant, seed, failed in runs if failed]
    kinds = {plant.kind for plant, _, _ in runs}
    lines = [
        "# Planted bugs and healthy programs",
        "",
        f"{len(bugs)} planted bugs: {caught} caught, {named} named rightly by the first verdict. "
        f"{len(kinds)} healthy programs over {seeds} seeds, {len(runs)} runs: {len(alarms)} false alarms.",
        "",
        "Made by `make planted` from `tests/planted/`. A plant is named rightly if the first verdict that fails is the "
        "one for its kind; those that fail after it follow from the same cause.",
        "",
        "| group | plant | first verdict | named rightly | others |",
        "|---|---|---|---|---|",
    ]
    for plant, failed, _ in bugs:
        first = failed[0] if failed else "–"
        right = "yes" if failed and first in plant.names else "**no**"
        lines.append(f"| {plant.group} | {plant.kind} | {first} | {right} | {', '.join(failed[1:])} |")
    lines += ["", "| healthy program | false alarms |", "|---|---|"]
    for kind in sorted(kinds):
        named_here = sorted({name for plant, _, failed in alarms if plant.kind == kind for name in failed})
        lines.append(f"| {kind} | {', '.join(named_here) or '–'} |")
    good = bool(bugs) and named >= 0.95 * len(bugs) and not alarms
    return "\n".join(lines) + "\n", good


if __name__ == "__main__":
    sys.exit(main())
