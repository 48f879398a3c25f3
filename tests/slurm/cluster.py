"""A throwaway SLURM cluster of two nodes on this machine: ``python tests/slurm/cluster.py up [--accounting] FOLDER``.

Needs root and Debian's slurm-wlm and munge (``--accounting`` also slurmdbd and mariadb-server). Everything lives
in one folder: sockets, state, logs, free ports; nothing of the machine's own is touched. Each node has two
CPUs and one "GPU" (/dev/null); memory limits are enforced by polling, since containers rarely have cgroups.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script
from tests.slurm import mariadb

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
NEEDED_FOR_ACCOUNTING = ("slurmdbd", "mariadbd", "sacctmgr")
PACKAGES = ("slurm-wlm", "munge", "slurmdbd", "mariadb-server")
NODES = ("n1", "n2")
KILL_WAIT_S, NODE_TIMEOUT_S = 5, 5  # SLURM's defaults, 30 s and 300 s, make tests slow


def install() -> None:
    """Install what is missing, on Debian, without letting a package start a daemon of its own."""
    if missing(accounting=True) is None:
        return
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=env, check=True)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    finally:
        if made:
            policy.unlink()


def missing(*, accounting: bool = False) -> str | None:
    """Why this machine can't run the cluster, or None."""
    if os.geteuid() != 0:
        return "a throwaway SLURM cluster needs root"
    lacking = [p for p in (*NEEDED, *(NEEDED_FOR_ACCOUNTING if accounting else ())) if not _which(p)]
    return f"SLURM is not installed ({', '.join(lacking)})" if lacking else None


class Cluster:
    """One cluster in one folder; ``up`` is idempotent."""

    def __init__(self, folder: Path, *, accounting: bool = False, cpus: int = 2, **settings: object) -> None:
        """``settings`` are further lines of slurm.conf, such as ``MaxArraySize=20``."""
        self.folder = folder.absolute()
        self.accounting = accounting
        self.cpus = cpus
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.settings = {"MaxArraySize": 10001, **settings}

    @property
    def env(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def up(self) -> None:
        for name in ("state", "log", "pid", *(f"spool-{n}" for n in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._munge()
        if self.accounting:
            self._accounting()
        self._write_conf()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self._wait(self._nodes_up, 30, "the nodes")

    def down(self) -> None:
        """Stop every daemon and what jobs left running."""
        if self.alive("slurmctld"):
            self.command("scancel", "--user=root", check=False, timeout=10)
        for node in NODES:
            self.kill_node(node)
        for name in ("slurmctld", "slurmdbd", "mariadbd", "munged"):
            self._stop(name)

    # what a test does to it

    def command(self, *arguments: str, check: bool = True, timeout: float = 60) -> str:
        """Run a SLURM command against this cluster; its output."""
        done = subprocess.run(
            arguments, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)}: exit code {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def configure(self, **settings: object) -> None:
        """Change lines of slurm.conf and restart the controller, which keeps its jobs."""
        self.settings.update(settings)
        self._write_conf()
        self.stop_controller()
        self.start_controller()
        self.command("scontrol", "reconfigure")

    def start_controller(self) -> None:
        self._start("slurmctld", ["slurmctld", "-D", "-f", self.env["SLURM_CONF"]])
        self._wait(lambda: "is UP" in self.command("scontrol", "ping", check=False), 30, "slurmctld")

    def stop_controller(self) -> None:
        self._stop("slurmctld")

    def kill_controller(self) -> None:
        """It dies without saving what it knows."""
        self._stop("slurmctld", signal.SIGKILL)

    def start_node(self, node: str) -> None:
        self._start(f"slurmd-{node}", ["slurmd", "-D", "-N", node, "-f", self.env["SLURM_CONF"]])

    def kill_slurmd(self, node: str) -> None:
        """The node loses touch: its daemon is gone, its jobs live on."""
        self._stop(f"slurmd-{node}", signal.SIGKILL)

    def kill_node(self, node: str) -> None:
        """The node is lost, with all that ran on it."""
        self.kill_slurmd(node)
        for _ in range(20):
            doomed = self._steps(node) | self._tasks(node)
            if not doomed:
                return
            _kill_at_once(doomed)
            time.sleep(0.05)

    def kill_job(self, job: str) -> None:
        """SIGKILL to every process of a job ``141_3``, as from a kernel that is out of memory."""
        array, _, index = job.partition("_")
        _kill_at_once(_processes_with(f"SLURM_ARRAY_JOB_ID={array}", f"SLURM_ARRAY_TASK_ID={index}"))

    def cancel_all(self) -> None:
        """Leave the cluster empty, all of it serving."""
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.command("scancel", "--user=root", check=False)
        self.resume_nodes()
        self._wait(lambda: not self.command("squeue", "-h", check=False).strip(), 60, "an empty queue")
        self._wait(self._nodes_up, 60, "the nodes")

    def resume_nodes(self) -> None:
        """Those that are down or drained serve again."""
        for node in NODES:
            self.command("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)

    # how it is made

    def _nodes_up(self) -> bool:
        states = self.command("sinfo", "-h", "-N", "-p", "main", "-t", "idle,mix,alloc", "-o", "%N", check=False)
        return len(states.split()) == len(NODES)

    def _munge(self) -> None:
        folder = self.folder / "munge"
        if self.alive("munged"):
            return
        folder.mkdir(exist_ok=True, mode=0o755)
        key = folder / "key"
        if not key.exists():
            key.write_bytes(os.urandom(1024))
            key.chmod(0o400)
        paths = {n: str(folder / n) for n in ("socket", "pid", "log", "seed")}
        options = [f"--{n}{'-file' if n != 'socket' else ''}={path}" for n, path in paths.items()]
        self._start("munged", ["munged", "--foreground", "--force", f"--key-file={key}", *options])
        self._wait(lambda: (folder / "socket").exists(), 10, "munged")

    def _accounting(self) -> None:
        data = self.folder / "mysql"
        if not self.alive("mariadbd"):
            data.mkdir(exist_ok=True)
            shutil.chown(data, "mysql", "mysql")
            port = free_port()
            (self.folder / "mysql.port").write_text(str(port))
            mariadb.install(data, "mysql")
            self._start("mariadbd", mariadb.server(data, port, "mysql"))
            self._wait(lambda: _succeeds(mariadb.client(data, "select 1")), 30, "mariadbd")
            grant = (
                "create database if not exists slurm_acct_db; create user if not exists slurm@'127.0.0.1' "
                "identified by 'slurm'; create user if not exists slurm@localhost identified by 'slurm'; "
                "grant all on slurm_acct_db.* to slurm@'127.0.0.1'; grant all on slurm_acct_db.* to slurm@localhost;"
            )
            subprocess.run(mariadb.client(data, grant), check=True)
        if not self.alive("slurmdbd"):
            port = free_port()
            (self.folder / "dbd.port").write_text(str(port))
            conf = self.folder / "slurmdbd.conf"
            conf.write_text(
                _lines(
                    AuthType="auth/munge", AuthInfo=f"socket={self.folder}/munge/socket", DbdHost="localhost",
                    DbdPort=port, SlurmUser="root", StorageType="accounting_storage/mysql", StorageHost="127.0.0.1",
                    StoragePort=(self.folder / "mysql.port").read_text(), StorageUser="slurm", StoragePass="slurm",
                    StorageLoc="slurm_acct_db", LogFile=f"{self.folder}/log/slurmdbd.log",
                    PidFile=f"{self.folder}/pid/slurmdbd.own",
                )
            )  # fmt: skip
            conf.chmod(0o600)
            self._write_conf()
            self._start("slurmdbd", ["slurmdbd", "-D"])
            self._wait(lambda: _listens(port), 30, "slurmdbd")
            for what in ("cluster throwaway", "account root cluster=throwaway", "user root account=root"):
                self.command("sacctmgr", "-i", "add", *what.split(), check=False)

    def _write_conf(self) -> None:
        folder, ports = self.folder, self.folder / "ports"
        if not ports.exists():
            ports.write_text(" ".join(str(free_port()) for _ in range(3)))
        controller_port, *node_ports = ports.read_text().split()
        storage: Mapping[str, object] = {"AccountingStorageType": "accounting_storage/none"}
        if self.accounting:
            storage = {
                "AccountingStorageType": "accounting_storage/slurmdbd",
                "AccountingStorageHost": "localhost",
                "AccountingStoragePort": (folder / "dbd.port").read_text(),
                "AccountingStoragePass": folder / "munge" / "socket",
                "AccountingStorageEnforce": "associations,limits,qos",
            }
        text = _lines(
            ClusterName="throwaway", SlurmctldHost="localhost(127.0.0.1)", SlurmctldPort=controller_port,
            SlurmUser="root", SlurmdUser="root", AuthType="auth/munge", CredType="cred/munge",
            AuthInfo=f"socket={folder}/munge/socket,cred_expire=5",  # how long a requeued job is held: 121 s by default
            ProctrackType="proctrack/linuxproc", TaskPlugin="task/none", MpiDefault="none", SwitchType="switch/none",
            SelectType="select/cons_tres", SelectTypeParameters="CR_CPU_Memory", DefMemPerCPU=1000,
            JobAcctGatherType="jobacct_gather/linux", JobAcctGatherFrequency="task=1",
            JobAcctGatherParams="OverMemoryKill", SchedulerType="sched/backfill",
            SchedulerParameters="sched_interval=1,bf_interval=1,sched_min_interval=10000,requeue_setup_env_fail",
            ReturnToService=2, JobRequeue=1, MaxJobCount=20000, KillWait=KILL_WAIT_S, SlurmdTimeout=NODE_TIMEOUT_S,
            MessageTimeout=5, TCPTimeout=1, SlurmctldTimeout=15, InactiveLimit=0, GresTypes="gpu",
            SlurmdParameters="config_overrides", PreemptType="preempt/partition_prio",
            PreemptMode="REQUEUE", StateSaveLocation=folder / "state", SlurmdSpoolDir=f"{folder}/spool-%n",
            SlurmctldPidFile=folder / "pid" / "slurmctld.own", SlurmdPidFile=f"{folder}/pid/slurmd-%n.own",
            SlurmctldLogFile=folder / "log" / "slurmctld.log", SlurmdLogFile=f"{folder}/log/slurmd-%n.log",
            SlurmctldDebug="info", **storage, **self.settings,
        )  # fmt: skip
        for node, port in zip(NODES, node_ports, strict=True):
            text += (
                f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} "
                "RealMemory=16000 Gres=gpu:1 State=UNKNOWN\n"
            )
        nodes = ",".join(NODES)
        text += f"PartitionName=main Nodes={nodes} Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE\n"
        text += f"PartitionName=urgent Nodes={nodes} MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF\n"
        (folder / "slurm.conf").write_text(text)
        (folder / "gres.conf").write_text(f"NodeName={nodes} Name=gpu Count=1 File=/dev/null\n")

    def alive(self, name: str) -> bool:
        pid = self._pid(name)
        if pid is None:
            return False
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def _pid(self, name: str) -> int | None:
        try:
            return int((self.folder / "pid" / name).read_text())
        except (OSError, ValueError):
            return None

    def _start(self, name: str, command: list[str]) -> None:
        if self.alive(name):
            return
        program, *rest = command
        with open(self.folder / "log" / f"{name}.out", "ab") as output:
            process = subprocess.Popen(
                [_which(program) or program, *rest],
                env={**os.environ, **self.env},
                cwd=self.folder,  # where a step that crashes leaves its core
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        (self.folder / "pid" / name).write_text(str(process.pid))
        self._children[name] = process

    def _stop(self, name: str, number: int = signal.SIGTERM) -> None:
        pid = self._pid(name)
        if pid is None:
            return
        deadline = time.monotonic() + 10
        _kill(pid, number)
        child = self._children.get(name)
        while self.alive(name):
            if time.monotonic() > deadline:
                _kill(pid, signal.SIGKILL)
            if child is not None:
                child.poll()
            time.sleep(0.02)
        if child is not None:
            child.wait()
        (self.folder / "pid" / name).unlink()

    def _wait(self, condition, timeout_s: float, what: str) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not come up in {timeout_s:g} s; see {self.folder}/log")
            time.sleep(0.05)

    def _steps(self, node: str) -> set[int]:
        """The node's slurmstepd processes, by the sockets that they hold in its spool."""
        spool, inodes = str(self.folder / f"spool-{node}"), set()
        for line in Path("/proc/net/unix").read_text().splitlines():
            fields = line.split()
            if len(fields) == 8 and fields[7].startswith(spool):
                inodes.add(f"socket:[{fields[6]}]")
        return {pid for pid in _processes() if inodes & _open_files(pid)} if inodes else set()

    def _tasks(self, node: str) -> set[int]:
        """The processes of jobs on the node, by their environment."""
        return _processes_with(f"SLURM_CONF={self.env['SLURM_CONF']}", f"SLURMD_NODENAME={node}")


@contextmanager
def throwaway(**keys: Any) -> Iterator[Cluster]:
    """A cluster of its own, until the end of the block."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="slurm-")), **keys)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()
        shutil.rmtree(cluster.folder)


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _lines(**settings: object) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _processes() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _processes_with(*variables: str) -> set[int]:
    """Processes that have all of these in their environment."""
    found = set()
    for pid in _processes():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if all(v in environment for v in variables):
            found.add(pid)
    return found - {os.getpid()}


def _open_files(pid: int) -> set[str]:
    found = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    except OSError:
        pass
    return found


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _kill_at_once(pids: Collection[int]) -> None:
    """SIGKILL to all, none of which outlives another and says what became of it."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            _kill(pid, number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/slurm/cluster.py", description=__doc__)
    parser.add_argument("what", choices=["up", "down", "install"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("/tmp/slurm-throwaway"))
    parser.add_argument("--accounting", action="store_true", help="with slurmdbd and MariaDB")
    args = parser.parse_args()
    if args.what == "install":
        install()
        return 0
    cluster = Cluster(args.folder, accounting=args.accounting)
    if args.what == "down":
        cluster.down()
        return 0
    reason = missing(accounting=args.accounting)
    if reason is not None:
        print(reason, file=sys.stderr)
        return 1
    cluster.up()
    for child in cluster._children.values():
        child.returncode = 0  # they live on
    print(f"export SLURM_CONF={cluster.env['SLURM_CONF']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
