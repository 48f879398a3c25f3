"""A storm of random faults over one study: `python -m tests.chaos --seed 3 --trials 300 --faults 20 [--app digits]`.

It prints each fault as it strikes, and where something does not hold afterwards, what, and the line that replays it.
The same seed draws the same faults at the same trials; the moments within a trial are the machine's.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random

import optuna

from tests.chaos.faults import FAULTS
from tests.chaos.invariants import broken
from tests.chaos.storm import DIGITS, NOOP, SLOW, Broken, Storm, schedule

APPS = {"noop": NOOP, "slow": SLOW, "digits": DIGITS}
SAID = 6000  # characters of what the study's command said, where something is broken


def storm(app: str, seed: int, trials: int, faults: int, names: list[str]) -> list[str]:
    """What does not hold after one storm; each fault is printed as it strikes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        one = Storm(Path(folder) / "storm", APPS[app], trials)
        try:
            calm = one.undisturbed()
            _say(f"undisturbed: {time.monotonic() - began:.0f} s")
            drawn = schedule(seed, trials, faults, names)
            one.weather([(at, delay_s, partial(_strike, name, dice)) for at, delay_s, name, dice in drawn], _say)
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


def _strike(name: str, dice: Random, storm: Storm) -> str:
    return f"{name}: {FAULTS[name](storm, dice)}"


def _say(text: str) -> None:
    print(text, flush=True)


def _leave(*_: object) -> None:
    raise SystemExit("stopped; nothing is left running")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--app", choices=list(APPS), default="noop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=list(FAULTS), help="names of faults, or their beginnings")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = [name for name in FAULTS if name.startswith(tuple(args.only))]
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _leave)
    found = storm(args.app, args.seed, args.trials, args.faults, names)
    for line in found[:50]:
        print(f"BROKEN {line}")
    print(
        f"{'as undisturbed' if not found else f'{len(found)} things do not hold'}, {time.monotonic() - began:.0f} s; "
        f"the same again: python -m tests.chaos {' '.join(sys.argv[1:])}"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
