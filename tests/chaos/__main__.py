"""A storm of random faults over one study: `python -m tests.chaos --seed 3 --trials 300 --faults 20 [--app digits]`.

With `--launcher slurm` its trials are jobs of a throwaway cluster (root, Debian's SLURM), which has faults of its own.
It prints each fault as it strikes, and where something does not hold afterwards, what, and the line that replays it.
The same seed draws the same faults at the same trials; the moments within a trial are the machine's.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random

import optuna

from tests.chaos.faults import FAULTS, Strike
from tests.chaos.invariants import broken
from tests.chaos.storm import DIGITS, NOOP, SLOW, SLOWER, Broken, Storm, schedule
from tests.slurm.cluster import Cluster, missing, throwaway

APPS = {"noop": NOOP, "slow": SLOW, "slower": SLOWER, "digits": DIGITS}
SAID = 6000  # characters of what the study's command said, where something is broken


def storm(
    app: str, seed: int, trials: int, faults: Mapping[str, Strike], count: int, cluster: Cluster | None = None
) -> list[str]:
    """What does not hold after one storm of ``count`` faults; each is printed as it strikes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        one = Storm(Path(folder) / "storm", APPS[app], trials, cluster)
        try:
            calm = one.undisturbed()
            _say(f"undisturbed: {time.monotonic() - began:.0f} s")
            drawn = schedule(seed, trials, count, list(faults))
            one.weather(
                [(at, delay_s, partial(_strike, name, faults[name], dice)) for at, delay_s, name, dice in drawn], _say
            )
            code = one.finish()
            _say(f"over after {one.starts + 1} starts, exit code {code}")
            found = list(broken(one, calm))
            if found:
                _say(one.output.read_text(errors="replace")[-SAID:])
        except Broken as error:
            found = [str(error)]
        finally:
            one.close()
    return found


def _strike(name: str, strike: Strike, dice: Random, storm: Storm) -> str:
    return f"{name}: {strike(storm, dice)}"


def _say(text: str) -> None:
    print(text, flush=True)


def _leave(*_: object) -> None:
    raise SystemExit("stopped; nothing is left running")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--launcher", choices=list(FAULTS), default="local")
    parser.add_argument("--app", choices=list(APPS), default="noop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=[""], help="names of faults, or their beginnings")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    faults = {name: f for name, f in FAULTS[args.launcher].items() if name.startswith(tuple(args.only))}
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _leave)
    if args.launcher == "slurm" and (reason := missing()) is not None:
        print(f"no storm over a cluster: {reason}; python tests/slurm/cluster.py install")
        return 0
    with throwaway() if args.launcher == "slurm" else nullcontext() as cluster:
        found = storm(args.app, args.seed, args.trials, faults, args.faults, cluster)
    for line in found[:50]:
        print(f"BROKEN {line}")
    print(
        f"{'as undisturbed' if not found else f'{len(found)} things do not hold'}, {time.monotonic() - began:.0f} s; "
        f"the same again: python -m tests.chaos {' '.join(sys.argv[1:])}"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
