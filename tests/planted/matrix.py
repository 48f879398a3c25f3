"""Every plant and every healthy program: what was caught, and under which name; writes docs/planted.md.

python tests/planted/matrix.py [--seeds 5] [--only TEXT] [--which BUGS,HEALTHY,PEERS] [--jobs 2] [--minutes M]

Each run leaves a line of JSON in .planted/results.jsonl; what ran before with the same code is not run again, so that a
call that was cut short, or ended after M minutes, goes on when repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import Any

import peers
import plants
import torch

PINS = Path(__file__).parent / "requirements-peers.txt"
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "planted.md"
RESULTS = ROOT / ".planted" / "results.jsonl"
CODE = ("sweeper/trial", "models", "conf", "tests/planted")  # what a run of ours depends on
PEER_CODE = ("tests/planted/peers.py", "tests/planted/plants.py", "tests/planted/requirements-peers.txt")


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
        if which == "BUGS" and seed > 0:  # the first verdict is what counts; seed 0 shows those after it
            first = plants.first_failure(plant, seed)
            failed, reason = ([], "") if first is None else ([first.check], first.reason)
            return which, index, seed, failed, reason, time.perf_counter() - began
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


def code_of(which: str, plant: plants.Plant) -> str:
    """A digest of what a result depends on."""
    return digest(PEER_CODE) + digest_of(plant.program) if which == "PEERS" else digest(CODE)


@lru_cache
def digest(names: tuple[str, ...]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for name in names:
        for path in sorted((ROOT / name).rglob("*")) if (ROOT / name).is_dir() else [ROOT / name]:
            if path.suffix in (".py", ".yaml", ".txt") and "inspect" not in path.parts:
                found.update(path.read_bytes())
    return found.hexdigest()


def digest_of(function: Callable[..., Any]) -> str:
    return hashlib.blake2b(inspect.getsource(function).encode(), digest_size=8).hexdigest()


def known() -> dict[tuple[str, str, str, int], list[str]]:
    """What earlier runs left, by code, part, kind and seed."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return {(code, which, kind, seed): failed for code, which, kind, seed, failed in map(json.loads, lines)}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--which", default="BUGS,HEALTHY,PEERS")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="begin no run after this many")
    args = parser.parse_args()
    plants.load_all()
    before, began = known(), time.monotonic()
    RESULTS.parent.mkdir(exist_ok=True)
    jobs, results = [], {}
    for which, seeds in (("BUGS", args.seeds), ("HEALTHY", args.seeds), ("PEERS", 1)):
        for index, plant in enumerate(plants.HEALTHY if which == "HEALTHY" else plants.BUGS):
            for seed in range(seeds):
                key = (code_of(which, plant), which, plant.kind, seed)
                if key in before:
                    results[which, index, seed] = before[key]
                elif which in args.which and args.only in plant.kind + plant.group:
                    jobs.append((which, index, seed))
    random.Random(0).shuffle(jobs)  # a run that is cut short has a sample of each group
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=spawn) as pool:  # its workers may have data-loader workers
        waiting = [pool.submit(one, job) for job in jobs]
        for done in as_completed(waiting):
            if done.cancelled():
                continue
            which, index, seed, failed, reason, seconds = done.result()
            plant = plant_of(which, index)
            results[which, index, seed] = failed
            right = bool(failed[:1] and failed[0] in plant.names) if which == "BUGS" else not failed
            mark = "peer" if which == "PEERS" else "ok  " if right else "MISS"
            print(f"{mark} {seconds:4.1f} s {plant.kind} [{seed}]: {failed[:4]} {reason[:260]}", flush=True)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps([code_of(which, plant), which, plant.kind, seed, failed]) + "\n")
            if args.minutes is not None and time.monotonic() - began > 60 * args.minutes:
                pool.shutdown(wait=False, cancel_futures=True)
    left = len(jobs) - sum((which, index, seed) in results for which, index, seed in jobs)
    if left:
        print(f"{left} runs are left; the same command goes on")
        return 3
    text, good = page(results, args.seeds)
    print(text.split("\n\n")[1])
    if not args.only and args.which == parser.get_default("which"):
        PAGE.write_text(text, encoding="utf-8")
    return 0 if good else 1


def page(results: dict, seeds: int) -> tuple[str, bool]:
    everything = [(plants.BUGS[i], s, failed) for (which, i, s), failed in sorted(results.items()) if which == "BUGS"]
    bugs = [(plant, failed) for plant, seed, failed in everything if seed == 0]
    caught = sum(bool(failed) for _, _, failed in everything)
    named = sum(bool(failed) and failed[0] in plant.names for plant, _, failed in everything)
    missed = [(plant, seed, failed) for plant, seed, failed in everything if not failed or failed[0] not in plant.names]
    runs = [(plants.HEALTHY[i], seed, failed) for (which, i, seed), failed in results.items() if which == "HEALTHY"]
    alarms = [(plant, seed, failed) for plant, seed, failed in runs if failed]
    kinds = {plant.kind for plant, _, _ in runs}
    lines = [
        "# Planted bugs and healthy programs",
        "",
        f"{len(bugs)} planted bugs over {seeds} seeds, {len(everything)} runs: {caught} caught, "
        f"{named} named rightly by the first verdict. "
        f"{len(kinds)} healthy programs over {seeds} seeds, {len(runs)} runs: {len(alarms)} false alarms.",
        "",
        "Made by `make planted` from `tests/planted/`. A plant is named rightly if the first verdict that fails is the "
        "one for its kind; those that fail after it (seed 0) follow from the same cause.",
        "",
        "| group | plant | first verdict | named rightly | others |",
        "|---|---|---|---|---|",
    ]
    for plant, failed in bugs:
        first = failed[0] if failed else "–"
        right = "yes" if failed and first in plant.names else "**no**"
        lines.append(f"| {plant.group} | {plant.kind} | {first} | {right} | {', '.join(failed[1:])} |")
    if missed:
        lines += ["", "| not named rightly | seed | first verdict |", "|---|---|---|"]
        lines += [f"| {plant.kind} | {seed} | {failed[0] if failed else '–'} |" for plant, seed, failed in missed]
    by_peers = {plants.BUGS[i].kind: failed for (which, i, _), failed in results.items() if which == "PEERS"}
    lines += peer_table(by_peers, bugs)
    lines += ["", "| healthy program | false alarms |", "|---|---|"]
    for kind in sorted(kinds):
        named_here = sorted({name for plant, _, failed in alarms if plant.kind == kind for name in failed})
        lines.append(f"| {kind} | {', '.join(named_here) or '–'} |")
    good = bool(bugs) and named >= 0.95 * len(everything) and not alarms
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
