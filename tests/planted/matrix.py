"""Every plant and every healthy program: what was caught, and under which name; writes docs/planted.md.

python tests/planted/matrix.py [--seeds 5] [--only TEXT] [--which BUGS,HEALTHY,PEERS] [--jobs 2] [--results FILE]

With ``--results``, a line of JSON a run is kept there, and what it already has is not run again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import peers
import plants
import torch

PINS = Path(__file__).parent / "requirements-peers.txt"
PAGE = Path(__file__).parents[2] / "docs" / "planted.md"


def one(job: tuple[str, int, int]) -> tuple[str, int, int, list[str], str, float]:
    which, index, seed = job
    torch.set_num_threads(1)
    plants.load_all()
    plant = plant_of(which, index)
    began = time.perf_counter()
    try:
        if which == "PEERS":
            caught = [name for name, found in peers.caught_by(plant).items() if found]
            return which, index, seed, caught, "", time.perf_counter() - began
        report = plants.run(plant, seed)
        failed = [v.check for v in report.failures]
        reason = report.failures[0].reason if failed else ""
        unmeasured = [f"{v.check}: {v.reason}" for v in report if "could not be measured" in v.reason]
        reason = "; ".join([reason, *unmeasured])
    except Exception as error:
        failed, reason = ["crashed"], f"{type(error).__name__}: {error}"
    return which, index, seed, failed, reason, time.perf_counter() - began


def plant_of(which: str, index: int) -> plants.Plant:
    return plants.HEALTHY[index] if which == "HEALTHY" else plants.BUGS[index]


def known(path: Path | None) -> dict[tuple[str, str, int], list[str]]:
    """What an earlier run left."""
    lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
    return {(which, kind, seed): failed for which, kind, seed, failed in map(json.loads, lines)}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--which", default="BUGS,HEALTHY,PEERS")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    plants.load_all()
    before = known(args.results)
    jobs, results = [], {}
    for which, seeds in (("BUGS", 1), ("HEALTHY", args.seeds), ("PEERS", 1)):
        for index, plant in enumerate(plants.HEALTHY if which == "HEALTHY" else plants.BUGS):
            for seed in range(seeds):
                if (which, plant.kind, seed) in before:
                    results[which, index, seed] = before[which, plant.kind, seed]
                elif which in args.which and args.only in plant.kind + plant.group:
                    jobs.append((which, index, seed))
    random.Random(0).shuffle(jobs)  # a run that is cut short has a sample of each group
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=spawn) as pool:  # its workers may have data-loader workers
        for done in as_completed([pool.submit(one, job) for job in jobs]):
            which, index, seed, failed, reason, seconds = done.result()
            plant = plant_of(which, index)
            results[which, index, seed] = failed
            right = bool(failed[:1] and failed[0] in plant.names) if which == "BUGS" else not failed
            mark = "peer" if which == "PEERS" else "ok  " if right else "MISS"
            print(f"{mark} {seconds:4.1f} s {plant.kind} [{seed}]: {failed[:4]} {reason[:260]}", flush=True)
            if args.results is not None:
                with args.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([which, plant.kind, seed, failed]) + "\n")
    text, good = page(results, args.seeds)
    print(text.split("\n\n")[1])
    if not args.only:
        PAGE.write_text(text, encoding="utf-8")
    return 0 if good else 1


def page(results: dict, seeds: int) -> tuple[str, bool]:
    bugs = [(plants.BUGS[i], failed) for (which, i, _), failed in sorted(results.items()) if which == "BUGS"]
    caught = sum(bool(failed) for _, failed in bugs)
    named = sum(bool(failed) and failed[0] in plant.names for plant, failed in bugs)
    runs = [(plants.HEALTHY[i], seed, failed) for (which, i, seed), failed in results.items() if which == "HEALTHY"]
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
    for plant, failed in bugs:
        first = failed[0] if failed else "–"
        right = "yes" if failed and first in plant.names else "**no**"
        lines.append(f"| {plant.group} | {plant.kind} | {first} | {right} | {', '.join(failed[1:])} |")
    by_peers = {plants.BUGS[i].kind: failed for (which, i, _), failed in results.items() if which == "PEERS"}
    lines += peer_table(by_peers, bugs)
    lines += ["", "| healthy program | false alarms |", "|---|---|"]
    for kind in sorted(kinds):
        named_here = sorted({name for plant, _, failed in alarms if plant.kind == kind for name in failed})
        lines.append(f"| {kind} | {', '.join(named_here) or '–'} |")
    good = bool(bugs) and named >= 0.95 * len(bugs) and not alarms
    return "\n".join(lines) + "\n", good


def peer_table(by_peers: dict[str, list[str]], bugs: list[tuple[plants.Plant, list[str]]]) -> list[str]:
    """Catches by group, of every tool on the same plants."""
    if not by_peers:
        return []
    names = ["sweeper", *peers.PEERS]
    groups: dict[str, list[list[str]]] = {}
    for plant, failed in bugs:
        if plant.kind in by_peers:
            caught = [*(["sweeper"] if failed else []), *by_peers[plant.kind]]
            groups.setdefault(plant.group, []).append(caught)
    groups["all"] = [caught for group in groups.values() for caught in group]
    pins = ", ".join(line for line in PINS.read_text(encoding="utf-8").splitlines() if "==" in line)
    lines = [
        "",
        f"Catches by group beside {pins}, each as its README says. For a peer any word counts, failure or warning, "
        "whatever it names, that it doesn't say of the default programs without a bug; "
        f"no word in {peers.LIMIT_S} s of processor time counts as none (`tests/planted/peers.py`).",
        "",
        f"| group | plants | {' | '.join(names)} |",
        "|---|---|" + "---|" * len(names),
    ]
    for group, rows in groups.items():
        counts = [str(sum(name in caught for caught in rows)) for name in names]
        lines.append(f"| {group} | {len(rows)} | {' | '.join(counts)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
