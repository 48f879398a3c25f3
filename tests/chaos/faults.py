"""What can happen to a study: a table of faults, functions of the storm and their own dice that say what they did."""

from __future__ import annotations

import signal
from collections.abc import Callable
from random import Random

from tests.chaos.storm import Storm, signal_to

Strike = Callable[[Storm, Random], str]


def _victims(storm: Storm) -> dict[str, Callable[[], list[int]]]:
    return {
        "orchestrator": storm.orchestrators,
        "nursery": storm.nurseries,
        "trial": storm.running_trials,
        "relay": storm.relays,
    }


def kill(whom: str) -> Strike:
    def strike(storm: Storm, dice: Random) -> str:
        found = _victims(storm)[whom]()
        if not found:
            return "there is none"
        pid = dice.choice(found)
        signal_to(pid, signal.SIGKILL)
        return f"process {pid}"

    return strike


def stop(whom: str) -> Strike:
    def strike(storm: Storm, dice: Random) -> str:
        found, for_s = _victims(storm)[whom](), dice.uniform(0.1, 4)
        if not found:
            return "there is none"
        pid = dice.choice(found)
        signal_to(pid, signal.SIGSTOP)
        storm.later(for_s, lambda: signal_to(pid, signal.SIGCONT))
        return f"process {pid} for {for_s:.2f} s"

    return strike


def kill_at_start(storm: Storm, dice: Random) -> str:
    """Kill the orchestrator, and the next one somewhere in its first seconds."""
    after_s = dice.uniform(0, 4)
    kill("orchestrator")(storm, dice)
    storm.later(after_s, lambda: (kill("orchestrator")(storm, dice), None)[1])
    return f"and again after {after_s:.2f} s"


def ctrl_c(storm: Storm, dice: Random) -> str:
    for pid in storm.orchestrators():
        signal_to(pid, signal.SIGINT)
    return "as a person does"


def server_killed(storm: Storm, dice: Random) -> str:
    for_s = dice.uniform(0.5, 8)
    storm.server.kill()
    storm.later(for_s, storm.server.start)
    return f"for {for_s:.2f} s"


def server_slow(storm: Storm, dice: Random) -> str:
    for_s, storm.proxy.delay_s = dice.uniform(1, 8), dice.choice([0.2, 1.0, 15.0])  # the relay waits for 10 s
    storm.later(for_s, lambda: setattr(storm.proxy, "delay_s", 0.0))
    return f"each answer {storm.proxy.delay_s:g} s late, for {for_s:.2f} s"


def server_fails(storm: Storm, dice: Random) -> str:
    for_s, storm.proxy.fails = dice.uniform(0.5, 8), True
    storm.later(for_s, lambda: setattr(storm.proxy, "fails", False))
    return f"for {for_s:.2f} s"


def disk_full(storm: Storm, dice: Random) -> str:
    if not storm.disk.own:
        return "not possible: only root can mount a disk to fill"
    for_s = dice.uniform(0.1, 3)
    storm.disk.fill()
    storm.later(for_s, storm.disk.free)
    return f"for {for_s:.2f} s"


def clock_stepped(storm: Storm, dice: Random) -> str:
    if not storm.clock.own:
        return "not possible: it needs a C compiler"
    offset_s = dice.choice([-86400, -3600, -5, 5, 3600, 86400])
    storm.clock.step(offset_s)
    return f"for all processes of the study: now {offset_s:+d} s"


def second_orchestrator(storm: Storm, dice: Random) -> str:
    """It must refuse in one line, or take over where the first has died by then."""
    if storm.second is not None:
        return "there is one already"
    (storm.base / "second.log").unlink(missing_ok=True)
    storm.second = storm.start("second.log")
    return f"process {storm.second.pid}"


FAULTS: dict[str, Strike] = {
    **{f"kill -9 {whom}": kill(whom) for whom in ("orchestrator", "nursery", "trial", "relay")},
    **{f"stop {whom}": stop(whom) for whom in ("orchestrator", "nursery", "trial", "relay")},
    "kill -9 orchestrator twice": kill_at_start,
    "Ctrl-C": ctrl_c,
    "MLflow killed": server_killed,
    "MLflow slow": server_slow,
    "MLflow answers 500": server_fails,
    "disk full": disk_full,
    "clock stepped": clock_stepped,
    "second orchestrator": second_orchestrator,
}
