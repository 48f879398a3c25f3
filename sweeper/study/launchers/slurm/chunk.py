"""A chunk: the trials of one submission, job by job, in a file that the jobs read on their nodes.

The file is there before sbatch is called and its name is the submission's token, so whatever happens in between,
an orchestrator can tell which chunks never got a job id, and SLURM can be asked for the script of that name.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweeper.folder import replace
from sweeper.lines import Tail, append_line
from sweeper.study.launchers import Job
from sweeper.study.launchers.slurm.queue import Queue

SUBMISSIONS = "submissions.jsonl"


@dataclass(frozen=True)
class Chunk:
    """One array: ``jobs[i]`` are the trials of its i-th job; ``command`` is the file of the program to run."""

    command: str
    jobs: list[list[Job]]
    trials_at_once: int
    threads: int | None
    gpus: bool
    max_num_timeout: int
    timeout_min: float
    preload: tuple[str, ...]
    returns: str | None = None  # folder for Hydra's JobReturns, where somebody waits for them
    configs: dict[str, str] = field(default_factory=dict)  # number → file in which its config's shape is composed
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def write(self, folder: Path) -> Path:
        path = folder / f"{self.token}.json"
        told = asdict(self)
        told["jobs"] = [[{**asdict(job), "folder": str(job.folder)} for job in jobs] for jobs in self.jobs]
        replace(path, json.dumps(told), private=True)
        return path


def read_chunk(path: Path) -> Chunk:
    told = json.loads(path.read_text(encoding="utf-8"))
    told["jobs"] = [[as_job(job) for job in jobs] for jobs in told["jobs"]]
    told["preload"] = tuple(told["preload"])
    return Chunk(**told)


def as_job(told: Mapping[str, Any]) -> Job:
    resolved = tuple((name, tuple(arguments), value) for name, arguments, value in told.get("resolved", ()))
    overrides, folder = tuple(told["overrides"]), Path(told["folder"])
    return Job(told["number"], told["attempt"], overrides, folder, told["sweep_dir"], resolved)


@dataclass
class Submitted:
    """A job of the ledger: its id as ``squeue`` shows it, and the trials that it runs.

    A controller that died gives the ids of its last seconds again: script and index tell one job from another.
    """

    id: str
    jobs: list[Job]
    script: str  # its name
    cancelled: bool = False  # by us, or it was tried: its end does not count against its trials

    @property
    def key(self) -> tuple[str, str]:
        return self.script, self.id


class Ledger:
    """``submissions.jsonl``: which chunk became which array, in the order submitted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, token: str, job_id: str) -> None:
        self._append({"token": token, "job_id": job_id})

    def cancel(self, ids: Sequence[str]) -> None:
        """Before they are: whatever comes in between, an end is not held against their trials."""
        self._append({"cancelled": list(ids)})

    def _append(self, line: dict[str, Any]) -> None:
        fd = os.open(self.folder / SUBMISSIONS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            append_line(fd, {**line, "time": time.time()})
        finally:
            os.close(fd)

    def read(self) -> dict[str, Submitted]:
        """Every job ever submitted, by id."""
        found: dict[str, Submitted] = {}
        for line in Tail(self.folder / SUBMISSIONS).read():
            for job_id in line.get("cancelled", ()):
                if job_id in found:
                    found[job_id].cancelled = True
            if "token" in line:
                try:
                    chunk = read_chunk(self.folder / f"{line['token']}.json")
                except (OSError, ValueError):
                    continue
                for i, jobs in enumerate(chunk.jobs):
                    job_id = f"{line['job_id']}_{i}"
                    found[job_id] = Submitted(job_id, jobs, f"{line['token']}.sh")
        return found

    def resolve(self, path: Path, answer: Queue) -> str | None:
        """The array that a chunk has become, from now on on the ledger; None if SLURM does not know it."""
        array = answer.scripts.get(f"{path.stem}.sh")
        if array is not None:
            self.add(path.stem, array)
        return array

    def unresolved(self) -> Iterator[Path]:
        """Chunks that sbatch may or may not have taken."""
        known = {line.get("token") for line in Tail(self.folder / SUBMISSIONS).read()}
        for path in sorted(self.folder.glob("*.json")):
            if path.stem not in known:
                yield path

    def abandon(self, path: Path) -> None:
        """A job that still comes of it finds nothing to do."""
        path.rename(path.with_suffix(".abandoned"))
