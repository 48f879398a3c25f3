"""The relay: brings what the folders of a study say to MLflow, in a process of its own.

``python -m sweeper.study.tracking.relay FOLDER`` follows a study while it runs. On stdin the line ``finish`` says that
the study has ended; the end of stdin without it, that its orchestrator died. On stdout go JSON lines::

    {"address": …, "page": …, "experiment_id": …, "parent_run_id": …}    once the store is open, and again
                                  once the study's run is made
    {"trial": 37, "run_id": …}    for each run found or made; without ``trial`` for a run outside a sweep
    {"runs": 36, "of": 40}        trials brought to their end, trials known
    {"error": …}                  when trouble begins, not at each retry

There is no state of its own: how far it came stands in the store, and any trouble is met by starting over
from there. Repeating a step changes nothing, so a relay may be killed at any point.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweeper.errors import ConfigError
from sweeper.study.tracking.lock import is_locked, locked
from sweeper.study.tracking.mirror import Mirror, Say
from sweeper.study.tracking.mlflow_store import one_line
from sweeper.study.tracking.record import read_study
from sweeper.study.tracking.sqlite_store import import_lean
from sweeper.study.tracking.target import find_target

LOCK = "relay.lock"
POLL_S = (1.0, 2.0)  # between looks at the folders: when something came, when nothing does
RETRY_S = (0.5, 5.0)  # between tries at a store in trouble, doubling
GIVE_UP_S = 30.0


class Orders:
    """The orchestrator's end of stdin."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.text = b""
        self.closed = False

    def ended(self, wait_s: float) -> bool:
        """Wait for at most ``wait_s``; True once the study has ended or its orchestrator is gone."""
        deadline = time.monotonic() + wait_s
        while not self.closed and not self.finished:
            if not select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return False
            said = os.read(self.fd, 4096)
            self.text += said
            self.closed = not said
        return True

    @property
    def finished(self) -> bool:
        return b"finish\n" in self.text


class Superfluous(Exception):
    """The orchestrator died while its relay waited for another: the next one's brings the rest."""


def follow(connect: Callable[[], Mirror | None], say: Say, orders: Orders | None, give_up_s: float) -> bool:
    """Follow a study until its orders end it, then bring the rest; without orders, only the rest.

    While it is followed, trouble is retried for ever. After that, False once the store has failed for
    ``give_up_s`` with nothing brought.
    """
    live = orders is not None
    mirror: Mirror | None = None
    failing_since, pause_s = 0.0, POLL_S[0]
    while True:
        try:
            mirror = mirror or connect()
            busy = mirror is not None and mirror.catch_up(live=live)
            if not live:
                return True
            failing_since = 0.0
            pause_s = POLL_S[0] if busy else min(pause_s * 1.2, POLL_S[1])
        except ConfigError:
            raise
        except Exception as error:
            if not failing_since:
                say({"error": one_line(error)})
            if not failing_since or (mirror and mirror.brought):
                failing_since, pause_s = time.monotonic(), RETRY_S[0]
            mirror = None
            if not live and time.monotonic() - failing_since > give_up_s:
                return False
            pause_s = min(pause_s * 2, RETRY_S[1])
        if orders is None or not live:
            time.sleep(pause_s)
        elif orders.ended(pause_s):
            live, failing_since, pause_s = False, 0.0, RETRY_S[0]


def run(
    folder: Path, uri: str | None, experiment: str | None, say: Say, orders: Orders | None, give_up_s: float
) -> int:
    """Bring a study's or a run's folder to MLflow; without ``orders``, as it is now.

    The exit code: 0 all was brought, 1 MLflow refused some trials for good, 3 the store stayed away.
    """
    refused: set[int | None] = set()
    born = os.nice(0)

    def connect() -> Mirror | None:
        study = read_study(folder)
        if study is None:
            return None
        mirror = Mirror(study, find_target(study, uri, experiment, os.environ), say, refused)
        if orders is not None and os.nice(0) == born:  # not its start: who waits at a short sweep's end waits for that
            os.nice(10)  # training goes first
        return mirror

    def waiting() -> None:
        print(f"another relay is at work on {folder}; waiting for it to finish", file=sys.stderr)
        say({"waits": True})
        while orders is not None and is_locked(folder / LOCK):
            if orders.ended(1.0):
                break
        if orders is not None and orders.closed and not orders.finished:
            raise Superfluous

    try:
        with locked(folder / LOCK, waiting):
            arrived = follow(connect, say, orders, give_up_s)
    except Superfluous:
        return 0
    if arrived:
        return 1 if refused else 0
    command = f"python -m sweeper sync {shlex.quote(str(folder))}"
    print(
        f"MLflow can't be reached; nothing is lost, the folder has the records; later: {command}",
        file=sys.stderr,
    )
    return 3


def _say_json(line: dict[str, Any]) -> None:
    with suppress(OSError):  # the orchestrator may be gone; the relay's work is not
        print(json.dumps(line, ensure_ascii=False), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Follow a study until stdin says ``finish`` or ends."""
    parser = argparse.ArgumentParser(prog="python -m sweeper.study.tracking.relay")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tracking-uri")
    parser.add_argument("--experiment")
    parser.add_argument("--give-up-s", type=float, default=GIVE_UP_S)
    args = parser.parse_args(argv)
    import_lean(args.tracking_uri, os.environ.get("MLFLOW_TRACKING_URI"))
    gc.set_threshold(20_000, 50)  # SQLAlchemy makes many objects and little garbage: 11 % of a run's CPU
    for hang_up in (signal.SIGINT, signal.SIGHUP):
        signal.signal(hang_up, signal.SIG_IGN)  # they reach the orchestrator, and it tells us what they mean
    try:
        return run(args.folder, args.tracking_uri, args.experiment, _say_json, Orders(0), args.give_up_s)
    except ConfigError as error:
        _say_json({"error": one_line(error)})
        return 2


if __name__ == "__main__":
    sys.exit(main())
