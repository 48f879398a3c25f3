"""Hand chunks to sbatch under the site's limits: a refused one is halved, what does not fit now waits."""

from __future__ import annotations

import hashlib
import pickle
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sweeper import folder as record
from sweeper.errors import ConfigError
from sweeper.study.again import RETRY, order
from sweeper.study.compose import Composer
from sweeper.study.launchers import Job
from sweeper.study.launchers.command import Command
from sweeper.study.launchers.slurm.chunk import Chunk, Ledger, Submitted
from sweeper.study.launchers.slurm.queue import Refused, SlurmAway, max_array_size, run, submitted_id
from sweeper.study.launchers.slurm.settings import SlurmSettings, sbatch_script
from sweeper.study.snapshot import Snapshot
from sweeper.study.view.terminal import say

Pack = list[Job]  # the trials of one job

TOO_MANY = re.compile(r"Submit\w*Limit|MaxSubmit|MaxJobCount|job count|policy \(job submit limit|queue is full", re.I)
_TOO_LARGE = re.compile(r"[Ii]nvalid job array|MaxArray|MAX_TASKS", re.I)


class _Uncertain(Exception):
    def __init__(self, said: str, chunk: Path) -> None:
        super().__init__(said)
        self.chunk = chunk


@dataclass
class Outcome:
    """What became of a submission; ``waiting`` says why something is ``left``."""

    submitted: list[Submitted] = field(default_factory=list)
    left: list[Pack] = field(default_factory=list)
    waiting: str | None = None
    uncertain: tuple[Path, list[Pack]] | None = None  # a chunk that SLURM may have taken without saying so


class Submitter:
    """Submits packs of trials of one program."""

    def __init__(self, folder: Path, command: Command, composer: Composer) -> None:
        self.folder = folder
        self.command = command
        self.composer = composer
        self._composed: Mapping[tuple[str, ...], bytes] = {}  # shapes of configs that jobs may take as they are
        self._python_path: str | None = None  # of a snapshot, before the node's own
        self.ledger = Ledger(folder)
        self._max_array = 0
        self._files: set[str] = set()  # what was written
        self._configs: dict[tuple[str, ...], str] = {}
        self._accepted = 0  # the size of the last chunk that was taken

    def take_snapshot(self, study: Path, composed: Mapping[tuple[str, ...], bytes]) -> None:
        """Let jobs run the code as it is now, or as it was when the study began; a line where that can't be."""
        at = self.command.program or (self.command.module and self.command.cwd)
        if at is None:
            return
        snapshot: Snapshot | str | None = Snapshot.of(study)
        same = isinstance(snapshot, Snapshot) and snapshot.same()
        if snapshot is None or (order() == RETRY and not same):
            same = True
            snapshot = Snapshot.take(study, Path(at))
            if isinstance(snapshot, Snapshot) and snapshot.untracked:
                names = ", ".join(snapshot.untracked[:5]) + (" …" if len(snapshot.untracked) > 5 else "")
                say(f"git does not track {names}: edits there reach jobs that wait; git add them")
        if isinstance(snapshot, str):
            say(f"no snapshot of the code ({snapshot}): edits reach jobs that wait; hydra.launcher.snapshot=false")
            return
        if same:  # what was composed here is what would be composed there
            self._composed = dict(composed)
        self.command = snapshot.command(self.command)
        self._python_path = snapshot.environment({})["PYTHONPATH"]

    def submit(self, packs: Sequence[Pack], settings: SlurmSettings, *, at_once: int, returns: Path | None) -> Outcome:
        """Submit as many packs as the site takes now; ConfigError for a request that it will never take."""
        outcome = Outcome(left=list(packs))
        try:
            self._max_array = self._max_array or max_array_size()
        except SlurmAway as away:
            outcome.waiting = str(away)
            return outcome
        size = min(len(packs), self._max_array)
        if self._accepted:
            size = min(size, 2 * self._accepted)
        while outcome.left:
            size = min(size, len(outcome.left))
            taken = outcome.left[:size]
            try:
                outcome.submitted += self._sbatch(taken, settings, at_once, returns)
            except _Uncertain as uncertain:
                outcome.waiting = str(uncertain)
                outcome.uncertain = (uncertain.chunk, taken)
                outcome.left = outcome.left[size:]
                return outcome
            except SlurmAway as away:
                outcome.waiting = str(away)
                return outcome
            except Refused as refused:
                if size > 1 and (TOO_MANY.search(str(refused)) or _TOO_LARGE.search(str(refused))):
                    size //= 2
                    continue
                if TOO_MANY.search(str(refused)):
                    outcome.waiting = str(refused)
                    return outcome
                raise refusal(refused) from refused
            self._accepted = size
            outcome.left = outcome.left[size:]
        return outcome

    def _sbatch(
        self, packs: Sequence[Pack], settings: SlurmSettings, at_once: int, returns: Path | None
    ) -> list[Submitted]:
        chunk = self.chunk(packs, settings, returns)
        path = chunk.write(self.folder)
        script = self.folder / f"{chunk.token}.sh"
        script.write_text(self.script(chunk, settings, at_once), encoding="utf-8")
        try:
            said = run(["sbatch", "--parsable", str(script)])
        except SlurmAway as away:
            if "connect failure" not in str(away):
                raise _Uncertain(str(away), path) from away
            path.unlink()
            script.unlink()
            raise
        except Refused:
            path.unlink()
            script.unlink()
            raise
        array = submitted_id(said)
        if array is None:
            raise _Uncertain(f"sbatch gave no job id, it says: {' '.join(said.split())[:200]}", path)
        self.ledger.add(chunk.token, array)
        return [Submitted(f"{array}_{i}", jobs, script.name) for i, jobs in enumerate(chunk.jobs)]

    def chunk(self, packs: Sequence[Pack], settings: SlurmSettings, returns: Path | None = None) -> Chunk:
        return Chunk(
            command=self._command_file(),
            jobs=[list(pack) for pack in packs],
            trials_at_once=settings.trials_at_once,
            threads=None if settings.cpus_per_task is None else settings.cpus_per_task // settings.trials_at_once or 1,
            gpus=settings.asks_for_gpus,
            max_num_timeout=settings.max_num_timeout,
            timeout_min=settings.timeout_min,
            preload=settings.preload,
            returns=None if returns is None else str(returns),
            configs={str(job.number): name for pack in packs for job in pack if (name := self._config_file(job))},
        )

    def script(self, chunk: Chunk, settings: SlurmSettings, at_once: int) -> str:
        python = settings.python or shlex.quote(self.command.interpreter()[0])
        flags = [*self.command.flags, "-P", "-u", "-m", "sweeper.study.launchers.slurm.work"]
        command = f"{python} {shlex.join([*flags, str(self.folder / f'{chunk.token}.json')])}"
        if self._python_path is not None:
            before = f"export PYTHONPATH={shlex.quote(self._python_path)}${{PYTHONPATH:+:$PYTHONPATH}}"
            settings = replace(settings, setup=(*(settings.setup or ()), before))
        return sbatch_script(settings, self.folder, command, len(chunk.jobs), at_once=at_once)

    def _command_file(self) -> str:
        return str(self.folder / self._file("command", pickle.dumps(self.command)))

    def _config_file(self, job: Job) -> str | None:
        if not self._composed:
            return None
        shape = self.composer.shape(job.overrides)
        if shape in self._composed and shape not in self._configs:
            self._configs[shape] = self._file("config", pickle.dumps((shape, self._composed[shape])))
        return self._configs.get(shape)

    def _file(self, what: str, data: bytes) -> str:
        """The name of a file of our folder that holds ``data``."""
        name = f"{what}.{hashlib.sha256(data).hexdigest()[:12]}.pickle"
        if name not in self._files:
            self.folder.mkdir(parents=True, exist_ok=True)
            record.replace(self.folder / name, data, private=True)
            self._files.add(name)
        return name


def refusal(refused: Refused) -> ConfigError:
    """SLURM's own words as one line."""
    said = re.sub(r"\b(sbatch|srun): error: ", "", str(refused))
    said = said.replace("Batch job submission failed: ", "").replace("allocation failure: ", "")
    return ConfigError(
        f"hydra.launcher must ask for what this cluster has, sbatch says: {said}; "
        "see sinfo, and hydra.launcher.{partition,account,qos,timeout_min,mem_gb,gpus_per_node,nodes}"
    )
