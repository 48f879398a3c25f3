"""The ask–submit–collect–tell loop: a free slot gets the next trial at once, and every end is told once."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from optuna.study import Study
from optuna.trial import TrialState

from sweeper import folder as record
from sweeper.folder import End, counted_end
from sweeper.lines import Tail
from sweeper.masked import masked_in
from sweeper.study.again import RETRY, order
from sweeper.study.compose import Composer
from sweeper.study.launchers import Exit, Job, Slots
from sweeper.study.mend import recover
from sweeper.study.pruning import Pruning, measured
from sweeper.study.search.ask import Asked, Asker, Misfit
from sweeper.study.search.space import SearchSpace
from sweeper.study.settings import Settings
from sweeper.study.stopped import SweepStopped, in_optuna
from sweeper.study.study_folder import StudyFolder
from sweeper.study.tracking.relay_process import RelayProcess
from sweeper.study.trial_dir import trial_dir
from sweeper.study.view.live import View
from sweeper.study.view.terminal import say

GRACE_S = 10.0  # between asking a trial to stop and killing it
LOOK_S = 0.1  # how often running trials' metrics are read for the pruner
REDRAW_S = 0.5
LINGER_S = 10.0  # after which a process that doesn't end with its trial is said


@dataclass
class _Running:
    asked: Asked
    job: Job
    lost: int  # attempts that died by no fault of their own
    attempt: int = -1  # the one whose metrics are read
    events: Tail | None = None
    lingers: bool = False  # and that was said

    def __post_init__(self) -> None:
        self.attempt = self.job.attempt


class Loop:
    """Runs a study's trials to their total; ``stop`` leaves it resumable at any point."""

    def __init__(
        self,
        settings: Settings,
        folder: StudyFolder,
        study: Study,
        space: SearchSpace,
        slots: Slots,
        composer: Composer,
        config: DictConfig,
        view: View,
        relay: RelayProcess,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.study = study
        study._thread_local.in_optimize_loop = True  # so that a sampler that has tried all may call `study.stop`
        self.slots = slots
        self.composer = composer
        self.view = view
        self.results = view.results
        self.relay = relay
        self.asker = Asker(study, space, settings, config)
        self.pruning = Pruning(settings.pruner, settings.monitor, self.asker)
        self.results.repeats = self.asker.repeats
        self._running: dict[int, _Running] = {}
        self._again: deque[tuple[Asked, int]] = deque()  # attempts to repeat, with the losses so far
        self._exhausted = False
        self._looked_at = time.monotonic()  # for processes that linger
        self._folders = {s.number: s.folder for s in folder.submissions().values()}
        self._taken = set(self._folders.values())

    def run(self, *, once: bool = False) -> None:
        """Run all trials to their end; ``once`` only submits what can be and tells what has ended."""
        self._adopt()
        if order() == RETRY:  # what failed unseen has been told by now
            say(f"{self.asker.repeat_failures(self.folder.submissions())} failed trial(s) to repeat")
            self._adopt()
        self.results.write_if_due()  # before a trial begins: `status` reads there how many there shall be
        look_s = LOOK_S if self.settings.pruner is not None else REDRAW_S
        self.view.begin()
        while True:
            if self.slots.outlives or not once:
                self._fill()
            if not self._running:
                if self.settings.storage is not None and not once:
                    self._adopt()  # a trial that its storage began for us, whose answer was lost
                if not self._running and not self._again:
                    return
                continue
            ended = self.slots.wait(0 if once else look_s)
            for i, exit_ in enumerate(ended, start=1):
                try:
                    self._conclude(exit_)
                except SweepStopped:
                    for other in ended[i:]:  # of the same batch: what it found counts
                        self._conclude(other, stopping=True)
                    raise
                self._fill()
            if self.settings.pruner is not None:
                self._prune()
            self.results.learn_runs(self.relay.run_ids)
            self.results.write_if_due()
            running = {number: trial.asked.params for number, trial in self._running.items()}
            self.view.refresh(running=running, queued=self.slots.queued)
            self.relay.poll(say)
            self._say_who_lingers()
            if once and self.slots.settled:
                return
            if once:
                time.sleep(LOOK_S)

    @property
    def unfinished(self) -> int:
        """Trials without an end: running, to be attempted again, or never asked for."""
        never = 0 if self._exhausted else max(0, self.settings.n_trials - self.asker.count)
        return len(self._running) + len(self._again) + never

    @property
    def in_hand(self) -> int:
        """Trials that the launcher has passed on."""
        return len(self._running) - self.slots.held_back

    def _adopt(self) -> None:
        """Take over what a former orchestrator left: tell what has ended, attempt again what has not."""
        submissions = recover(self.folder, self.asker.space, self.study)
        self._folders.update({s.number: s.folder for s in submissions.values()})
        self._taken.update(self._folders.values())
        self.asker.recall(submissions)
        taken = {*self._running, *(asked.number for asked, _ in self._again)}
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not self.asker.is_ours(trial) or trial.number in taken:
                continue
            asked = self.asker.again(trial.number, submissions)
            submitted = submissions.get(trial.number)
            if submitted is None:
                self._again.append((asked, 0))
                continue
            path = self.folder.trial_folder(submitted.folder)
            if not self.slots.outlives:
                self._close_attempts(path)
            end = counted_end(path)
            if end is not None:
                self.pruning.report(trial.number, measured(path))
                self._tell(asked.number, end, asked, _seconds(path, end), path, None)
                continue
            losses = self._losses(path)
            job = Job(asked.number, submitted.attempt, tuple(submitted.overrides), path, str(self.folder.path))
            if self.slots.adopt(job):
                self._running[asked.number] = _Running(asked, job, losses)
            else:
                self._again.append((asked, losses))

    def _losses(self, folder: Path) -> int:
        """How many attempts died by no fault of their own."""
        ends = (record.read_attempt(folder, n).end for n in record.attempts(folder))
        return sum(end is not None and end.state == record.LOST for end in ends)

    def _close_attempts(self, folder: Path) -> None:
        """Their processes died with the orchestrator that watched them: put that on record."""
        for attempt in record.attempts(folder):
            if record.read_attempt(folder, attempt).end is None:
                record.write_end(folder, attempt, End(record.INTERRUPTED, None, "its orchestrator died"))

    def _fill(self) -> None:
        while self.slots.free > 0:
            if self._again:
                asked, lost = self._again.popleft()
            elif self._exhausted or self.asker.count >= self.settings.n_trials:
                return
            else:
                try:
                    with in_optuna("hydra.sweeper.sampler, asked for a trial,"):
                        new = self.asker.ask()
                except Misfit as misfit:
                    say(f"trial {misfit.number:04d} FAIL {misfit}")
                    self.results.add_misfit(misfit.number, str(misfit))
                    continue
                if new is None:
                    self._exhausted = True
                    say(f"the space is exhausted: all of its {self.asker.drawn} point(s) have been drawn")
                    return
                asked, lost = new, 0
            self._submit(asked, lost)

    def _submit(self, asked: Asked, lost: int) -> None:
        sweep_dir = str(self.folder.path)
        name, resolved = trial_dir(self.composer, asked.overrides, asked.number, sweep_dir)
        name = self._folders.get(asked.number) or self._own(name, asked.number)
        path = self.folder.trial_folder(name)
        attempt = max(record.attempts(path), default=-1) + 1
        told = masked_in(asked.overrides)
        ended = self._ended(path, told) if attempt else None
        repeats = self.asker.repeats.get(asked.number)
        last = attempt if ended is None else attempt - 1
        self.folder.log_submission(asked.number, last, name, asked.params, told, repeats)
        if ended is not None:
            self._tell(asked.number, ended, asked, _seconds(path, ended), path, None)
            return
        self.asker.note_submission(asked.number, path, told)
        job = Job(asked.number, attempt, tuple(asked.overrides), path, sweep_dir, resolved)
        self._running[asked.number] = _Running(asked, job, lost)
        self.slots.submit(job)

    def _own(self, name: str, number: int) -> str:
        """The folder name for a new trial: another one may have the same values, or hold them to fewer digits."""
        while name in self._taken:
            name = f"{name}-{number}"
        self._folders[number] = name
        self._taken.add(name)
        return name

    def _ended(self, path: Path, overrides: list[str]) -> End | None:
        """The end of a trial that is there although ledger and journal have forgotten it, as after a power cut."""
        created = self.results.asked.get("created", 0.0)
        for attempt in record.attempts(path):
            found = record.read_attempt(path, attempt)
            if found.start.get("overrides") != overrides or found.start["time"] < created:
                return None
        return counted_end(path)

    def _conclude(self, exit_: Exit, *, stopping: bool = False) -> None:
        running = self._running.pop(exit_.number)
        path, attempt = running.job.folder, exit_.attempt
        seen = record.read_attempt(path, attempt)
        end = seen.end
        undecided = end is None or end.state == record.LOST or (end.state == record.INTERRUPTED and exit_.lost)
        if end is None or (undecided and not stopping):
            end = self._verdict(running, exit_, stopping)
            record.write_end(path, attempt, end)
        if end.state == record.INTERRUPTED and exit_.cancelled:
            self._again.append((running.asked, running.lost))
            return
        if end.state == record.INTERRUPTED and not stopping:
            self._again.append((running.asked, running.lost))
            reason = f"trial {exit_.number} was stopped: {end.reason}"
            raise SweepStopped(reason, state="INTERRUPTED", exit_code=130)
        if end.state == record.LOST:
            self._again.append((running.asked, running.lost + 1))
            say(f"trial {exit_.number:04d} {end.reason}; attempt {attempt + 2} of {self.settings.retries + 1}")
            return
        if end.state == record.INTERRUPTED:
            return
        seconds = end.time - seen.start.get("time", end.time)  # a queue's time is not its own
        self._tell(exit_.number, end, running.asked, seconds, path, record.log_tail(path, attempt))
        if not stopping:
            self._check_failure_rate()

    def _verdict(self, running: _Running, exit_: Exit, stopping: bool) -> End:
        reason = exit_.reason or "ended without a word"
        if stopping:
            return End(record.INTERRUPTED, None, "the sweep was stopped")
        if exit_.cancelled:
            return End(record.INTERRUPTED, None, "cancelled")
        if exit_.lost and running.lost < self.settings.retries:
            return End(record.LOST, None, reason)
        return End(record.FAIL, None, reason)

    def _tell(self, number: int, end: End, asked: Asked, seconds: float, path: Path, log_tail: str | None) -> None:
        self.results.add(end, asked, path, log_tail)
        self.view.trial_ended(number, end, asked.params, seconds)
        with in_optuna(f"hydra.sweeper.sampler, told of trial {number:04d},"):
            match end.state:
                case record.COMPLETE:
                    self.pruning.check_monitor(number, path)
                    self.study.tell(number, end.values, skip_if_finished=True)  # in a shared storage others may have
                case record.PRUNED:
                    self.study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
                case _:
                    self.asker.note_failure(number, end.reason or "")
                    self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
        self._exhausted = self._exhausted or self.study._stop_flag
        self.relay.start_when_due(force=True)

    def _check_failure_rate(self) -> None:
        counts = self.results.counts
        failed = counts["FAIL"]
        finished = failed + counts["COMPLETE"] + counts["PRUNED"]
        allowed = self.settings.max_failure_rate
        # a share of the first few is noise, so the first ten are judged together
        if failed > allowed * max(finished, min(self.settings.n_trials, 10)):
            raise SweepStopped(
                f"hydra.sweeper.max_failure_rate={allowed:g} allows that share of failed trials, got "
                f"{failed} of {finished}, the last one: {self.results.last_failure()}",
                state="FAIL",
            )

    def _prune(self) -> None:
        for number, running in self._running.items():
            folder, attempt = running.job.folder, running.attempt
            if running.events is None:
                running.events = Tail(record.events_path(folder, attempt))
            if self.slots.outlives and record.events_path(folder, attempt + 1).exists():  # it was requeued
                running.attempt, running.events = attempt + 1, None
                continue
            events = (event for event in running.events.read() if event.get("event") == "metrics")
            trial = self.pruning.report(number, events)
            with in_optuna("hydra.sweeper.pruner"):
                hopeless = trial is not None and trial.should_prune()
            if hopeless:
                record.request_stop(folder, attempt, "pruned: not among the promising trials")

    def _say_who_lingers(self) -> None:
        if self.slots.outlives or time.monotonic() - self._looked_at < LINGER_S:
            return
        self._looked_at = time.monotonic()
        for number, running in self._running.items():
            end = None if running.lingers else record.last_word(running.job.folder, running.job.attempt)
            if end is not None and time.time() - end.time > LINGER_S:
                running.lingers = True
                log = os.path.relpath(record.output_path(running.job.folder, running.job.attempt))
                say(
                    f"trial {number:04d} has ended ({end.state}), its process has not: it waits for what the app left "
                    f"running, {log} says which; hydra.launcher.timeout_min ends such processes"
                )

    def stop(self) -> None:
        """Stop what still runs; it stays RUNNING in Optuna and is attempted again on resumption."""
        if self._running and not self.slots.outlives:
            say(f"stopping {self.in_hand} running trial(s), at most {GRACE_S:g} s; Ctrl-C again kills them")
            for exit_ in self.slots.stop(GRACE_S):
                with suppress(SweepStopped):  # it is stopping
                    self._conclude(exit_, stopping=True)


def _seconds(folder: Path, end: End) -> float:
    """How long the attempt took that ended so."""
    starts = (record.read_attempt(folder, n).start.get("time", end.time) for n in record.attempts(folder))
    return end.time - max((start for start in starts if start <= end.time), default=end.time)
