"""Jobs that a former orchestrator of the study has submitted: which of them are to be waited for."""

from __future__ import annotations

import time

from sweeper import folder as record
from sweeper.study.launchers import Job
from sweeper.study.launchers.slurm.chunk import Ledger, Submitted
from sweeper.study.launchers.slurm.queue import Queue
from sweeper.study.launchers.slurm.watch import Watch

RESOLVE_S = 5.0  # for SLURM to know a submission that nobody lived to note
OLD_S = 60.0  # a submission that it would know by now


class Former:
    """What the ledger holds at the start, and what SLURM says of it."""

    def __init__(self, ledger: Ledger, watch: Watch) -> None:
        self._watch = watch
        self._seen: Queue | None = None
        self._resolve(ledger)
        self._known = {job.number: (of_job, job) for of_job in ledger.read().values() for job in of_job.jobs}

    def job_of(self, job: Job) -> tuple[Submitted, Job] | None:
        """The job that runs this attempt or a later one, and the trial as it was submitted; None if none is left."""
        if job.number not in self._known:
            return None
        last, mine = self._known[job.number]
        if mine.attempt < job.attempt:  # its last attempt was never handed over
            return None
        if last.cancelled and not self._lives_on(last):
            return None
        ends = [record.read_attempt(mine.folder, n).end for n in record.attempts(mine.folder) if n >= mine.attempt]
        if ends and ends[-1] is not None and ends[-1].state == record.LOST:
            return None
        return last, mine

    def _lives_on(self, cancelled: Submitted) -> bool:
        """Whether scancel has failed, or takes its time: another attempt must not begin beside the living one."""
        if self._seen is None:
            self._seen = self._watch.ask(wait=True)
        status = self._seen.get(cancelled.id, cancelled.script)
        return status is not None and not status.ended

    def _resolve(self, ledger: Ledger) -> None:
        """Find out what became of submissions that an orchestrator did not live to note."""
        deadline = time.monotonic() + RESOLVE_S
        while unresolved := list(ledger.unresolved()):
            answer = self._watch.ask(wait=True)
            for path in unresolved:
                late = time.monotonic() > deadline or time.time() - path.stat().st_mtime > OLD_S
                if ledger.resolve(path, answer) is None and late:
                    ledger.abandon(path)
            time.sleep(0.2)
