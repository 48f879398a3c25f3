"""The loop's view of a cluster: submit, wait, adopt. One ``squeue`` a poll; ends are read from the trial folders."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sweeper import folder as record
from sweeper.study.launchers import Exit, Job
from sweeper.study.launchers.job import JobRunner
from sweeper.study.launchers.slurm import queue
from sweeper.study.launchers.slurm.build import check
from sweeper.study.launchers.slurm.chunk import Submitted
from sweeper.study.launchers.slurm.flying import Flying, settled, trial_of
from sweeper.study.launchers.slurm.former import Former
from sweeper.study.launchers.slurm.preflight import reached_from_a_node
from sweeper.study.launchers.slurm.queue import Accounting, Queue, Refused, SlurmAway, Status
from sweeper.study.launchers.slurm.resources import Resources
from sweeper.study.launchers.slurm.settings import SlurmSettings, log_folder, log_path
from sweeper.study.launchers.slurm.submit import Pack, Submitter
from sweeper.study.launchers.slurm.verdict import tail, why
from sweeper.study.launchers.slurm.watch import POLL_S, Watch
from sweeper.study.launchers.worker import command_of
from sweeper.study.view.terminal import say

LOOK_S = 0.2  # between looks at the folders of running trials
AGAIN_S = 5.0  # before a submission that was put off is tried again
GRACE_S = 3.0  # from SLURM's word on an end to ours: what the node wrote last must arrive here
UNSURE_S = 6.0  # for what may yet change: a job preempted or lost is requeued, a finished one has a word to come
ALL = 10**9


class SlurmSlots:
    """Slots in a cluster; they outlive this process. ``n_jobs`` is how many jobs may be in SLURM's hands at once."""

    outlives = True

    def __init__(self, settings: SlurmSettings, *, n_jobs: int | None) -> None:
        self.settings = settings
        self.n_jobs = n_jobs
        self.waiting: str | None = None  # why something is not submitted yet
        self._gathered: deque[Job] = deque()
        self._uncertain: dict[Path, tuple[list[Pack], float]] = {}  # chunks that SLURM may have taken, and since when
        self._returns: Path | None = None
        self._flying: dict[tuple[str, str], Flying] = {}
        self._runner: JobRunner | None = None
        self._resources: Resources | None = None
        self._submitter: Submitter | None = None
        self._study = Path()
        self._former: Former | None = None
        self._accounting = Accounting()
        self._watch = Watch()
        self._put_off = 0.0
        self._told_held: set[str] = set()

    def start(self, runner: JobRunner) -> None:
        self._runner = runner
        self._resources = Resources(runner.composer)

    @property
    def runner(self) -> JobRunner:
        assert self._runner is not None, "start() comes first"
        return self._runner

    @property
    def resources(self) -> Resources:
        assert self._resources is not None, "start() comes first"
        return self._resources

    def preflight(self, examples: Sequence[Sequence[str]]) -> None:
        """The cluster would accept each combination's resources, and the app builds each."""
        self.resources.accept(examples)
        if self.settings.build:
            check(command_of(self.runner), self.settings.build, examples, self.resources.example(()).sweep_dir)

    def plan(self, overrides: Sequence[str], trials: int) -> str:
        return self.resources.plan(overrides, trials, self.n_jobs)

    def open(self, study: Path) -> dict[str, Any]:
        self._study = study
        folder = self.submitter.folder
        reached_from_a_node(folder, self.settings, self.submitter.command.interpreter()[0])
        if self.settings.snapshot:
            self.submitter.take_snapshot(study, self.runner.composer.composed)
        return {"jobs": str(folder)}

    @property
    def submitter(self) -> Submitter:
        """Made when the sweep's folder is known, which ``hydra.sweep.dir`` may not be at first."""
        if self._submitter is None:
            written = OmegaConf.select(self.runner.composer.master, "hydra.launcher.submitit_folder")
            folder = log_folder(str(written or self.settings.submitit_folder))
            self._submitter = Submitter(folder, command_of(self.runner), self.runner.composer)
        return self._submitter

    @property
    def free(self) -> int:
        if self.n_jobs is None:
            return ALL
        jobs = self.n_jobs - len(self._flying) - sum(len(packs) for packs, _ in self._uncertain.values())
        return max(0, jobs * self.settings.trials_per_job - len(self._gathered))

    @property
    def queued(self) -> Mapping[int, str]:
        found = {job.number: self.waiting or "" for job in self._gathered}
        for flying in self._flying.values():
            if flying.over_since is None and (flying.status is None or flying.status.state == "PENDING"):
                found |= dict.fromkeys(flying.left, flying.status.reason if flying.status else "")
        return found

    @property
    def held_back(self) -> int:
        return len(self._gathered)

    def submit(self, job: Job, return_path: str | None = None) -> None:
        self._returns = None if return_path is None else Path(return_path).parent
        self._gathered.append(job)

    def adopt(self, job: Job) -> bool:
        """Take over a trial whose job a former orchestrator submitted; False if there is none to wait for."""
        self._former = self._former or Former(self.submitter.ledger, self._watch)
        found = self._former.job_of(job)
        if found is not None:
            submitted, as_submitted = found
            flying = self._flying.setdefault(submitted.key, Flying(submitted))
            flying.left[job.number] = trial_of(as_submitted)
        return found is not None

    def wait(self, timeout_s: float) -> list[Exit]:
        deadline = time.monotonic() + timeout_s
        while True:
            self.flush()
            self._poll()
            exits = self._ended()
            if exits or time.monotonic() >= deadline:
                return exits
            time.sleep(min(LOOK_S, max(0.0, deadline - time.monotonic())))

    # submitting

    def flush(self) -> None:
        """Submit what was gathered, as far as the site takes it now."""
        put_off = self.waiting is not None and time.monotonic() < self._put_off
        if not self._gathered or put_off:
            return
        self._poll(older_than_s=POLL_S[0])
        if self._watch.away:  # an sbatch that nobody answers hangs for minutes
            return
        gathered, self._gathered = list(self._gathered), deque()
        groups: dict[int, tuple[SlurmSettings, list[Job]]] = {}
        for job in gathered:
            settings = self.resources.of(job)
            groups.setdefault(id(settings), (settings, []))[1].append(job)
        self.waiting = None
        for settings, jobs in groups.values():
            size = settings.trials_per_job
            packs: list[Pack] = [jobs[i : i + size] for i in range(0, len(jobs), size)]
            if self.waiting is None:
                outcome = self.submitter.submit(
                    packs, settings, at_once=self.n_jobs or settings.array_parallelism, returns=self._returns
                )
                for submitted in outcome.submitted:
                    self._fly(submitted)
                packs, self.waiting = outcome.left, outcome.waiting
                if outcome.uncertain is not None:
                    chunk, taken = outcome.uncertain
                    self._uncertain[chunk] = (taken, time.monotonic())
            for pack in packs:
                self._gathered.extend(pack)
        self._watch.pace(changed=True)
        if self.waiting is not None:
            self._put_off = time.monotonic() + AGAIN_S

    def _fly(self, submitted: Submitted) -> None:
        self._flying[submitted.key] = Flying(submitted, {job.number: trial_of(job) for job in submitted.jobs})

    # watching

    def _poll(self, older_than_s: float | None = None) -> None:
        answer = self._watch.look(older_than_s)
        if answer is None:
            return
        now = time.monotonic()
        changed = self._note_submissions(answer)
        for flying in self._flying.values():
            status = answer.get(flying.submitted.id, flying.submitted.script)
            changed = changed or status != flying.status
            flying.status = status
            over = status is None or status.ended or status.stuck
            flying.over_since = (flying.over_since or now) if over else None
        self._tell_held()
        self._cancel_stuck(answer)
        self._watch.pace(changed=changed)

    def _cancel_stuck(self, answer: Queue) -> None:
        """What SLURM requeued although its trials had ended, and could not start: it would wait for a person."""
        of_trials = {flying.submitted.id for flying in self._flying.values()}
        stuck = {job_id: status for job_id, status in answer.stuck().items() if job_id not in of_trials}
        if stuck:
            ours = {submitted.script for submitted in self.submitter.ledger.read().values()}
            with suppress(SlurmAway, Refused):
                queue.cancel([job_id for job_id, status in stuck.items() if status.script in ours])

    def _tell_held(self) -> None:
        """Say once of a job that it waits for a person."""
        held = {f.submitted.id: f.status.reason for f in self._flying.values() if f.status and f.status.held}
        new = [job_id for job_id in held if job_id not in self._told_held]
        self._told_held.update(new)
        if new:
            more = f" and {len(new) - 1} more" if len(new) > 1 else ""
            say(f"job {new[0]}{more} held ({held[new[0]]}), to go on: scontrol release {new[0]}")

    def _note_submissions(self, answer: Queue) -> bool:
        """What sbatch could not confirm: taken after all, or to be submitted again."""
        found = False
        for chunk, (packs, since) in list(self._uncertain.items()):
            array = self.submitter.ledger.resolve(chunk, answer)
            if array is not None:
                found = True
                for i, pack in enumerate(packs):
                    self._fly(Submitted(f"{array}_{i}", pack, f"{chunk.stem}.sh"))
            elif time.monotonic() - since > UNSURE_S:
                self.submitter.ledger.abandon(chunk)
                for pack in packs:
                    self._gathered.extend(pack)
            else:
                continue
            del self._uncertain[chunk]
        return found

    def _ended(self) -> list[Exit]:
        exits: list[Exit] = []
        now = time.monotonic()
        everywhere = len(self._flying) <= 64
        undecided: list[Flying] = []
        for flying in self._flying.values():
            over = flying.over_since is not None
            if not (everywhere or over or flying.started):
                continue
            for number, trial in list(flying.left.items()):
                end = settled(trial)
                if end is not None and (over or self._handed_back(number)):
                    del flying.left[number]
                    exits.append(replace(end, cancelled=end.lost and flying.submitted.cancelled))
            if over and flying.left and now - float(flying.over_since or now) > self._patience(flying.status):
                undecided.append(flying)
        if undecided:
            exits += self._verdicts(undecided)
        if any(not flying.left for flying in self._flying.values()):  # there is room for what a cap put off
            self._put_off = min(self._put_off, time.monotonic() + POLL_S[0])
        self._flying = {i: f for i, f in self._flying.items() if f.left}
        return exits

    def _handed_back(self, number: int) -> bool:
        """Whether Hydra's JobReturn is there, where somebody waits for it: a trial's process writes it last."""
        return self._returns is None or (self._returns / f"{number}.pickle").exists()

    def _patience(self, status: Status | None) -> float:
        sure = status is not None and status.state in ("FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY")
        return GRACE_S if sure else UNSURE_S

    def _verdicts(self, ended: Sequence[Flying]) -> list[Exit]:
        exits = []
        stuck = [flying for flying in ended if flying.status is not None and flying.status.stuck]
        if stuck:
            try:
                queue.cancel([flying.submitted.id for flying in stuck])
            except (SlurmAway, Refused):  # it might yet be released
                ended = [flying for flying in ended if flying not in stuck]
        accounted = self._accounting.states([f.submitted.id for f in ended])
        for flying in ended:
            job_id = flying.submitted.id
            error = not self.settings.stderr_to_stdout
            log = tail(log_path(self.submitter.folder, job_id, error=error))
            reason, lost = why(flying.status, accounted.get(job_id), log, self.settings.timeout_min)
            by_hand = flying.status is not None and flying.status.state == "CANCELLED"
            ran = any(record.attempts(job.folder)[job.attempt :] for job in flying.submitted.jobs)
            for number, trial in flying.left.items():
                begun = trial.attempts()
                attempt = begun[-1][0] if begun else trial.attempt
                waited = ran and not begun and not by_hand  # for a trial that has ended them both
                cancelled = flying.submitted.cancelled or waited
                exits.append(Exit(number, attempt, f"{reason} (job {job_id})", lost, cancelled=cancelled))
            flying.left = {}
        return exits

    # ending

    @property
    def settled(self) -> bool:
        if self._watch.away:
            return True
        over = any(flying.over_since is not None for flying in self._flying.values())
        return (
            self._watch.looked and not over and not self._uncertain and (not self._gathered or self.waiting is not None)
        )

    def stop(self, grace_s: float) -> list[Exit]:
        """Jobs run on without us."""
        return []

    def cancel(self) -> None:
        """Cancel what is in SLURM's hands, on the record, so that its trials are resumed rather than judged."""
        if self._flying:
            ids = [flying.submitted.id for flying in self._flying.values()]
            self.submitter.ledger.cancel(ids)
            try:
                queue.cancel(ids)
            except (SlurmAway, Refused) as error:
                say(
                    f"{len(ids)} job(s) run on, scancel failed ({str(error)[:200]}); end them by: "
                    f"python -m sweeper cancel {os.path.relpath(self._study)}"
                )

    def close(self) -> None:
        if self._submitter is not None and not self._watch.away:
            with suppress(SlurmAway):
                self._cancel_stuck(queue.look())
            self._submitter = None
