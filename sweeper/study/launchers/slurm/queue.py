"""What SLURM says of our jobs. No accounting is needed: ``squeue`` shows ended jobs for MinJobAge, 5 min by default."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# a whitelist: squeue knows more states (SIGNALING, REQUEUE_HOLD, SUSPENDED …), all of which may run again
ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
)  # fmt: skip
RUNNING = ("RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "SUSPENDED")

_FIELDS = ("ArrayJobID", "ArrayTaskID", "State", "exit_code", "Reason", "NodeList", "Command")
TIMEOUT_S = 30
_OURS = re.compile(r"[0-9a-f]{12}\.sh")  # a submission's script; a site's wrapper may name its own
_OF_A_JOB = re.compile(  # as submitit.helpers.clean_env, but for where SLURM is; and its GPUs
    r"SLURM_(?!CONF$|CLUSTERS$)|SLURMD_|SRUN_|S(BATCH|LURM)_(CPU|MEM)_BIND|SUBMITIT_|"
    r"(MASTER_ADDR|MASTER_PORT|RANK|WORLD_SIZE|LOCAL_RANK|LOCAL_WORLD_SIZE|GPU_DEVICE_ORDINAL|\w+_VISIBLE_DEVICES)$"
)


class SlurmAway(Exception):
    """SLURM does not answer; what it would have said is unknown."""


class Refused(Exception):
    """A SLURM command was refused; the message is SLURM's."""


@dataclass(frozen=True)
class Status:
    """A job as squeue shows it; ``exit_code`` is the wait status of its script."""

    state: str
    exit_code: int
    reason: str
    node: str
    script: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def held(self) -> bool:
        """It waits for somebody's release."""
        return not (self.ended or self.stuck) and re.search("[Hh]eld|JobHold", self.reason) is not None

    @property
    def stuck(self) -> bool:
        """Its node could not start it, and SLURM does not try again by itself."""
        return self.state == "PENDING" and self.reason == "launch failed requeued held"


class Queue:
    """One answer of squeue: the jobs that it still knows."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._jobs: dict[str, Status] = {}
        self._waiting: dict[str, list[tuple[range, Status]]] = {}
        self.scripts: dict[str, str] = {}  # script's name → array id
        for line in lines:
            array, index, state, code, reason, node, script = (line.split("\t") + [""] * 7)[:7]
            if not array.isdigit() or not state:  # a site's wrapper says something, or a name holds a line's end
                continue
            script = os.path.basename(script)  # a folder may have several paths
            status = Status(state, int(code) if code.isdigit() else 0, reason, node, script)
            self.scripts[script] = array
            if index.isdigit():
                self._jobs[f"{array}_{index}"] = status
            else:
                self._waiting.setdefault(array, []).extend((part, status) for part in indices(index))

    def get(self, job_id: str, script: str) -> Status | None:
        """The status of ``141_3``, None if SLURM does not know it (any more), or has given its id to another."""
        found = self._jobs.get(job_id)
        if found is None:
            array, _, index = job_id.partition("_")
            found = next((status for part, status in self._waiting.get(array, ()) if int(index) in part), None)
        if found is not None and found.script != script and _OURS.fullmatch(found.script):
            return None
        return found

    def stuck(self) -> dict[str, Status]:
        """By their ids those that SLURM will not start again by itself."""
        return {job_id: status for job_id, status in self._jobs.items() if status.stuck}


def indices(written: str) -> list[range]:
    """``0-3,7,9-15:2%5`` as ranges."""
    found = []
    for part in written.partition("%")[0].strip("[]").split(","):
        if m := re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part):
            first = int(m[1])
            found.append(range(first, int(m[2] or first) + 1, int(m[3] or 1)))
    return found


def look() -> Queue:
    """Ask for all of the user's jobs, in one call; SlurmAway if nobody answers."""
    command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}"]
    try:
        said = run([*command, "-O", ",".join(f"{f}:\t" for f in _FIELDS)], SLURM_BITSTR_LEN="0")
    except Refused as refused:  # there is nothing wrong to ask: whatever it is may pass
        raise SlurmAway(str(refused)) from refused
    return Queue(said.splitlines())


def run(command: Sequence[str], given: str = "", **env: str) -> str:
    """Run a SLURM command with ``given`` as its input; SlurmAway or Refused."""
    try:
        done = subprocess.run(
            command, env={**environment(), **env}, input=given, capture_output=True, text=True, timeout=TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SlurmAway(f"{command[0]} did not answer in {TIMEOUT_S} s") from error
    except FileNotFoundError as error:
        raise Refused(f"{command[0]} is not on the path") from error
    if done.returncode == 0:
        return done.stdout
    said = " ".join((done.stderr or done.stdout).split())
    if re.search(
        r"[Uu]nable to contact|timed out|[Cc]onnection refused|[Cc]ommunication|connect failure|[Tt]ransport|"
        r"[Zz]ero [Bb]ytes|in standby|Resource temporarily unavailable|Munge",
        said,
    ):
        raise SlurmAway(said)
    raise Refused(said)


def environment() -> dict[str, str]:
    """Ours, less what SLURM tells the processes of a job: a sweep may itself run in one, which others don't inherit."""
    return {k: v for k, v in os.environ.items() if "SLURM_JOB_ID" not in os.environ or not _OF_A_JOB.match(k)}


def max_array_size() -> int:
    """How many jobs an array may have on this cluster; SLURM's default where the site doesn't say."""
    try:
        found = re.search(r"MaxArraySize\s*=\s*(\d+)", run(["scontrol", "show", "config"]))
    except Refused:
        found = None
    return max(1, int(found[1])) if found else 1001


def submitted_id(said: str) -> str | None:
    """The job's id in what ``sbatch --parsable`` says: ``141``, or ``141;cluster``, among a site's own lines."""
    found = re.findall(r"^(\d+)(?:;\S+)?$", said, re.MULTILINE)
    return str(found[-1]) if found else None


def cancel(ids: Sequence[str]) -> None:
    """Cancel jobs; those that have ended are no matter."""
    for i in range(0, len(ids), 500):
        run(["scancel", "--quiet", *ids[i : i + 500]])


class Accounting:
    """The site's own record of ended jobs, where it keeps one that answers."""

    def __init__(self) -> None:
        self.on = True

    def states(self, ids: Sequence[str]) -> Mapping[str, str]:
        """States such as OUT_OF_MEMORY by job id; empty where there is no accounting."""
        if not self.on or not ids:
            return {}
        try:
            said = run(["sacct", "-n", "-P", "-X", "-o", "JobID,State", "-j", ",".join(ids[:500])])
        except (SlurmAway, Refused):
            self.on = False
            return {}
        rows = (line.split("|") for line in said.splitlines())
        return {row[0]: row[1].split()[0] for row in rows if len(row) == 2 and row[1]}
