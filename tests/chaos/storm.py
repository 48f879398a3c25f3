"""One study under fire: the command is run again until it ends by itself, while faults come at drawn moments."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sweeper.lines import Tail
from tests.chaos.clock import Clock
from tests.chaos.disk import Disk
from tests.chaos.proxy import Proxy
from tests.conftest import APPS, ROOT, environment
from tests.mlflow_server import Server, empty_store
from tests.slurm.cluster import Cluster

STILL_S = 120  # without a new trial and with no fault under way: it hangs
STILL_ON_CLUSTER_S = 400  # SLURM itself takes minutes to see that a job has completed whose node's word was lost


class Broken(Exception):
    """The study is not what an undisturbed one is; the message says where."""


@dataclass(frozen=True)
class App:
    """What is swept; ``folder`` is the study's, below the working folder, ``calm`` spares time where no fault comes."""

    command: tuple[str, ...]
    folder: str
    calm: tuple[str, ...] = ()


LOCAL = ("hydra/launcher=local", "hydra.launcher.slots=2")
SLURM = ("hydra/launcher=slurm", "hydra.sweeper.n_jobs=6")  # the cluster runs four at once
TO_THE_END = ("hydra.sweeper.retries=100", "hydra.sweeper.max_failure_rate=1.0", "hydra.sweep.dir=study")
NOOP = App(  # half of its trials fail by themselves
    (str(APPS / "toy.py"), "-m", "hydra/sweeper=optuna", *TO_THE_END, "x=uniform(0,1)", "y=loguniform(1e-3,1)",
     "mode=flaky"),
    "study",
)  # fmt: skip
SLOW = App((*NOOP.command, "steps=4", "sleep=0.1"), NOOP.folder, ("sleep=0",))  # its trials are hit in their middle
SLOWER = App(
    (*NOOP.command, "steps=20", "sleep=0.1"), NOOP.folder, ("sleep=0",)
)  # so are jobs, which take time to begin
DIGITS = App((str(ROOT / "train.py"), "-m", *TO_THE_END, "stage.checkpoint_every_s=0"), "study")


@dataclass
class Storm:
    """A study's command, and what it stands on: a disk, a clock and an MLflow server, each of its own.

    Its trials run on this machine, or as jobs of a ``cluster``.
    """

    base: Path
    app: App
    trials: int
    cluster: Cluster | None = None
    orchestrator: subprocess.Popen[bytes] | None = None
    starts: int = 0
    second: subprocess.Popen[bytes] | None = None  # the same command while the first one runs
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _numbers: set[int] = field(default_factory=set)
    _written_ns: int = 0

    def __post_init__(self) -> None:
        self.base.mkdir(parents=True)
        self.temporary = self.base / "tmp"
        self.temporary.mkdir()
        self.clock = Clock(self.base)
        self.template = empty_store(self.base / "template.db")
        self.server = Server(self.base, self.template)
        self.proxy = Proxy(self.server.port)
        self.disk = Disk(self.base / "disk")  # last: from here on there is something to close
        self.study = self.disk.path / self.app.folder
        self._ledger, self._inode = Tail(self.study / "trials.jsonl"), 0
        self.output = self.base / "output.log"

    def environment(self, **extra: str) -> dict[str, str]:
        there = self.cluster.env if self.cluster is not None else {}
        kept = {"TMPDIR": str(self.temporary), "TORCHINDUCTOR_CACHE_DIR": str(self.base / "torch")}
        return environment(**kept, **there, **extra)

    def command(self, launcher: tuple[str, ...] | None = None) -> list[str]:
        launcher = launcher or (LOCAL if self.cluster is None else SLURM)
        return [sys.executable, *self.app.command, *launcher, f"hydra.sweeper.n_trials={self.trials}"]

    def start(self, log: str = "output.log") -> subprocess.Popen[bytes]:
        """The study's command, under the storm's clock."""
        env = self.environment(MLFLOW_TRACKING_URI=self.proxy.uri, **self.clock.environment())
        with open(self.base / log, "ab") as output:
            return subprocess.Popen(
                self.command(), cwd=self.disk.path, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    def undisturbed(self) -> Path:
        """The folder of the same study on this machine, without a storm, without MLflow."""
        calm = self.base / "calm"
        calm.mkdir()
        done = subprocess.run(
            [*self.command(LOCAL), "hydra.sweeper.tracking=null", *self.app.calm], cwd=calm, env=self.environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not (calm / self.app.folder / "study.end.json").exists():
            raise Broken(f"the undisturbed study did not end: {done.stdout}{done.stderr}")
        return calm / self.app.folder

    def weather(self, faults: list[tuple[int, float, Fault]], say: Callable[[str], None]) -> None:
        """Run the study with faults, each once so many trials are begun and so many seconds later."""
        self.server.start()
        began, waiting, moved = time.monotonic(), list(faults), time.monotonic()
        still_s = STILL_S if self.cluster is None else STILL_ON_CLUSTER_S
        due: list[tuple[float, Fault]] = []
        self.again()
        while waiting or due or self._later or not self.over():
            now = time.monotonic()
            if self.gain() or self.tracked():
                moved = now
            while waiting and (len(self._numbers) >= waiting[0][0] or self.over()):
                _, delay_s, fault = waiting.pop(0)
                due.append((now + delay_s, fault))
            for at, fault in [pair for pair in due if pair[0] <= now]:
                due.remove((at, fault))
                say(f"{time.monotonic() - began:7.2f} s  trial {len(self._numbers):5d}  {fault(self)}")
                moved = time.monotonic()
            for at, undo in [pair for pair in self._later if pair[0] <= now]:
                self._later.remove((at, undo))
                undo()
                moved = time.monotonic()
            if not self._later and now - moved > still_s:
                raise Broken(f"it stands still at trial {len(self._numbers)} for {still_s} s: {self._what_waits()}")
            if not self.over():
                self.again()
            time.sleep(0.01)

    def again(self) -> None:
        """Start the command where none runs."""
        gone = self.orchestrator is None or self.orchestrator.poll() is not None
        if self.second is not None and self.second.poll() is not None:
            self._refused(self.second)
            self.second = None
        if gone and self.second is not None:  # the first died in time
            self.orchestrator, self.second = self.second, None
        elif gone:
            self.starts += 1
            self.orchestrator = self.start()

    def _refused(self, second: subprocess.Popen[bytes]) -> None:
        said = (self.base / "second.log").read_text(errors="replace")
        expected = ("one orchestrator at a time", "No space left")  # or it took over, and met a full disk as the first
        if second.returncode >= 0 and not any(words in said for words in expected) and not self.whole:
            raise Broken(f"a second orchestrator must refuse, it ended with {second.returncode} and said {said}")

    def over(self) -> bool:
        """Whether the command has ended by itself, and the study with it."""
        if self.second is not None:
            return False
        ran = self.orchestrator
        return ran is not None and ran.poll() in (0, 1) and (self.study / "study.end.json").exists() and self.whole

    @property
    def whole(self) -> bool:
        self.gain()
        return len(self._numbers) == self.trials

    def gain(self) -> bool:
        """Read on in the ledger; whether it has new trials."""
        before = len(self._numbers)
        with suppress(FileNotFoundError):
            if (inode := self._ledger.path.stat().st_ino) != self._inode:  # a torn one was mended: written anew
                self._inode, self._ledger = inode, Tail(self._ledger.path)
        self._numbers |= {line["number"] for line in self._ledger.read() if "number" in line}
        return len(self._numbers) > before

    def tracked(self) -> bool:
        """Whether MLflow's database has been written since the last call: the relay may lag far behind the trials."""
        before, self._written_ns = self._written_ns, self.server.database.stat().st_mtime_ns
        return self._written_ns != before

    def later(self, after_s: float, undo: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + after_s, undo))

    def finish(self) -> int:
        """The same command once more, undisturbed; its exit code."""
        self.orchestrator, moved = self.start(), time.monotonic()
        while (code := self.orchestrator.poll()) is None:
            moved = time.monotonic() if self.tracked() else moved
            if time.monotonic() - moved > 5 * STILL_S:
                raise Broken(f"the last command does not end: {self._what_waits()}")
            time.sleep(0.1)
        return code

    def close(self) -> None:
        for _, undo in self._later:
            undo()
        for pid in self.orchestrators():
            signal_to(pid, signal.SIGKILL)
        if self.cluster is not None:
            self.cluster.cancel_all()
        while doomed := self.processes():
            for pid in doomed:
                signal_to(pid, signal.SIGKILL)
            time.sleep(0.1)
        if self.orchestrator is not None:
            self.orchestrator.wait()
        self.server.kill()
        self.proxy.close()
        self.disk.close()
        shutil.rmtree(self.base)

    # whom the faults hit

    def processes(self) -> list[int]:
        """Every process of the study's command, by the folder it works in."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{entry}/cwd").startswith(str(self.disk.path)) and state(int(entry)) != "Z":
                    found.append(int(entry))
            except OSError:
                continue
        return found

    def jobs(self) -> list[str]:
        """The study's jobs that wait or run, as ``141_3``; empty where SLURM does not answer.

        A preflight of an orchestrator that was killed is none: its limit of a minute ends it.
        """
        return [line.split()[0] for line in self.queue()]

    def queue(self) -> list[str]:
        """The same, each with its state, what it waits for, and where it is."""
        if self.cluster is None or not self.cluster.alive("slurmctld"):
            return []
        told = ("-h", "-r", "-p", "main", "-S", "i", "-o", "%F_%K %T %r %N")
        said = self.cluster.command("squeue", *told, check=False)
        return [line for line in said.splitlines() if not line.split()[0].endswith("N/A")]

    def in_jobs(self) -> list[int]:
        """Processes of jobs on their nodes: scripts, the job's own, its trials."""
        return [pid for pid in self.processes() if b"\0SLURM_JOB_ID=" in _read(pid, "environ")]

    def relays(self) -> list[int]:
        return [pid for pid in self._children() if "tracking.relay" in command_line(pid)]

    def nurseries(self) -> list[int]:
        return [pid for pid in self._children() if "tracking.relay" not in command_line(pid)]

    def running_trials(self) -> list[int]:
        return [child for pid in self.nurseries() for child in children(pid)]

    def orchestrators(self) -> list[int]:
        ran = self.orchestrator
        return [] if ran is None or ran.poll() is not None else [ran.pid]

    def _children(self) -> list[int]:
        return [child for pid in self.orchestrators() for child in children(pid)]

    def _what_waits(self) -> str:
        said = [f"{pid} {state(pid)} {command_line(pid)[:200]}" for pid in self.processes()]
        if self.cluster is not None:
            for command in (("squeue", "-r", "-o", "%i %j %T %r %N"), ("sinfo", "-N", "-l")):
                said += self.cluster.command(*command, check=False).splitlines()
        return "\n  ".join([*said, *self.output.read_text(errors="replace").splitlines()[-10:]])


Fault = Callable[[Storm], str]


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def signal_to(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def schedule(seed: int, trials: int, count: int, names: list[str]) -> list[tuple[int, float, str, random.Random]]:
    """When each fault comes, and with which dice: so many trials begun, so many seconds later."""
    dice = random.Random(seed)
    moments = sorted(dice.randrange(trials) for _ in range(count))
    deck: list[str] = []
    for _ in range(count):
        if len(deck) < count:  # every fault as often as every other
            deck += dice.sample(names, len(names))
    return [
        (at, dice.uniform(0, 1), name, random.Random(dice.random())) for at, name in zip(moments, deck, strict=False)
    ]
