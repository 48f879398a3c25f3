"""What can happen to a study: a table of faults, functions of the storm and their own dice that say what they did."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from random import Random

from sweeper.study.study_folder import StudyFolder
from tests.chaos.storm import Broken, Storm, signal_to
from tests.slurm.cluster import NODES, Cluster

Strike = Callable[[Storm, Random], str]


def _victims(storm: Storm) -> dict[str, Callable[[], list[int]]]:
    return {
        "orchestrator": storm.orchestrators,
        "nursery": storm.nurseries,
        "trial": storm.running_trials,
        "relay": storm.relays,
        "job": storm.in_jobs,
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
    holds = StudyFolder(storm.study).holder().rpartition(" ")[2]
    if [holds] != [str(pid) for pid in storm.orchestrators()]:
        return "none has come so far that it could say more than Python does"
    signal_to(int(holds), signal.SIGINT)
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


def not_possible(why: str) -> str:
    if os.environ.get("CI"):
        raise Broken(f"a fault is not possible, which CI must make so: {why}")
    return f"not possible: {why}"


def disk_full(storm: Storm, dice: Random) -> str:
    if not storm.disk.own:
        return not_possible("only root can mount a disk to fill")
    for_s = dice.uniform(0.1, 3)
    storm.disk.fill()
    storm.later(for_s, storm.disk.free)
    return f"for {for_s:.2f} s"


def clock_stepped(*offsets_s: int) -> Strike:
    def strike(storm: Storm, dice: Random) -> str:
        if not storm.clock.own:
            return not_possible("it needs a C compiler")
        offset_s = dice.choice(offsets_s)
        storm.clock.step(offset_s)
        return f"for all processes of the study: now {offset_s:+d} s"

    return strike


def second_orchestrator(storm: Storm, dice: Random) -> str:
    """It must refuse in one line, or take over where the first has died by then."""
    if storm.second is not None:
        return "there is one already"
    (storm.base / "second.log").unlink(missing_ok=True)
    storm.second = storm.start("second.log")
    return f"process {storm.second.pid}"


def _cluster(storm: Storm) -> Cluster:
    assert storm.cluster is not None, "a fault of clusters"
    return storm.cluster


def node_lost(storm: Storm, dice: Random) -> str:
    """Back before SLURM has noticed, or long after."""
    cluster, node, for_s = _cluster(storm), dice.choice(NODES), dice.uniform(0.5, 25)
    cluster.kill_node(node)
    storm.later(for_s, lambda: cluster.start_node(node))
    return f"{node} with all that runs there, for {for_s:.2f} s"


def node_loses_touch(storm: Storm, dice: Random) -> str:
    """Its jobs live on, and SLURM may requeue them elsewhere meanwhile."""
    cluster, node, for_s = _cluster(storm), dice.choice(NODES), dice.uniform(0.5, 25)
    cluster.kill_slurmd(node)
    storm.later(for_s, lambda: cluster.start_node(node))
    return f"{node} for {for_s:.2f} s"


def controller_stopped(storm: Storm, dice: Random) -> str:
    cluster, for_s = _cluster(storm), dice.uniform(0.5, 15)
    cluster.stop_controller()
    storm.later(for_s, cluster.start_controller)
    return f"for {for_s:.2f} s"


def controller_killed(storm: Storm, dice: Random) -> str:
    """It forgets what it has not saved, up to its last five seconds."""
    cluster, for_s = _cluster(storm), dice.uniform(0.5, 5)
    cluster.kill_controller()
    storm.later(for_s, cluster.start_controller)
    for after_s in (10, 25, 45, 70):  # an id that is given again drains a node as 'Duplicate jobid', once it gets there
        storm.later(for_s + after_s, cluster.resume_nodes)
    return f"for {for_s:.2f} s"


def scancel(storm: Storm, dice: Random) -> str:
    jobs = storm.jobs()
    if not jobs:
        return "there is no job, or SLURM does not answer"
    job = dice.choice(jobs)
    _cluster(storm).command("scancel", job, check=False)
    return f"job {job}"


def preemption(storm: Storm, dice: Random) -> str:
    cluster, nodes, for_s = _cluster(storm), dice.choice([1, 2]), dice.uniform(1, 5)
    if not cluster.alive("slurmctld"):
        return "SLURM does not answer"
    urgent = ["sbatch", "-p", "urgent", f"-N{nodes}", "--exclusive", "--no-requeue", "-t", "1", "-o", "/dev/null"]
    cluster.command(*urgent, "--chdir=/", f"--wrap=sleep {for_s:.2f}", check=False)
    return f"{nodes} node(s) for {for_s:.2f} s"


ANYWHERE: dict[str, Strike] = {
    **{f"kill -9 {whom}": kill(whom) for whom in ("orchestrator", "relay")},
    **{f"stop {whom}": stop(whom) for whom in ("orchestrator", "relay")},
    "kill -9 orchestrator twice": kill_at_start,
    "Ctrl-C": ctrl_c,
    "MLflow killed": server_killed,
    "MLflow slow": server_slow,
    "MLflow answers 500": server_fails,
    "disk full": disk_full,
    "clock stepped": clock_stepped(-86400, -3600, -5, 5, 3600, 86400),
    "second orchestrator": second_orchestrator,
}
LOCAL: dict[str, Strike] = {
    **{f"kill -9 {whom}": kill(whom) for whom in ("orchestrator", "nursery", "trial", "relay")},
    **{f"stop {whom}": stop(whom) for whom in ("orchestrator", "nursery", "trial", "relay")},
    **ANYWHERE,
}
SLURM: dict[str, Strike] = {
    **ANYWHERE,
    "clock stepped": clock_stepped(-5, 5),  # a day back, srun starts nothing and says nothing
    "kill -9 job": kill("job"),
    "stop job": stop("job"),
    "node lost": node_lost,
    "node loses touch": node_loses_touch,
    "slurmctld stopped": controller_stopped,
    "slurmctld killed": controller_killed,
    "scancel": scancel,
    "preemption": preemption,
}
FAULTS = {"local": LOCAL, "slurm": SLURM}
