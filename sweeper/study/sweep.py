"""One sweep from its command line to its last line: found or resume the study, run the loop, say what came out."""

from __future__ import annotations

import os
import re
import signal
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from optuna.study import Study

from sweeper.configs import before_its_job
from sweeper.errors import ConfigError, words
from sweeper.masked import masked, masked_in
from sweeper.study.again import COLLECT, argv, order
from sweeper.study.compose import Composer
from sweeper.study.launchers import Slots
from sweeper.study.launchers.batch import BatchSlots
from sweeper.study.launchers.local import LocalSlots
from sweeper.study.loop import Loop
from sweeper.study.mend import mend_files
from sweeper.study.provenance import Provenance, command_line, config_flags, typed
from sweeper.study.recipe import mind_checks
from sweeper.study.search.ask import enqueued
from sweeper.study.search.pruners import make_pruner
from sweeper.study.search.read_space import read_space
from sweeper.study.search.samplers import PlannedSampler, describe, make_sampler, size_of
from sweeper.study.search.suggest import method
from sweeper.study.settings import Settings
from sweeper.study.stopped import SweepStopped
from sweeper.study.storage import open_study
from sweeper.study.study_folder import StudyFolder, claim_folder, safe_name, unwritable
from sweeper.study.tracking.ahead import make_apps_database
from sweeper.study.tracking.relay_process import RelayProcess
from sweeper.study.trial_dir import check_subdir, sweep_dir, trial_dir
from sweeper.study.view.closing import show_results
from sweeper.study.view.dry_run import show_plan
from sweeper.study.view.live import View
from sweeper.study.view.results import Results
from sweeper.study.view.terminal import say


class Sweep:
    """The sweep that one command asks for."""

    def __init__(
        self,
        settings: Settings,
        composer: Composer,
        config: DictConfig,
        context: HydraContext,
        slots: Slots,
        arguments: Sequence[str],
    ) -> None:
        self.settings = settings
        self.composer = composer
        self.config = config
        self.context = context
        self.slots = slots
        self.space = read_space(settings, composer, arguments, one_launcher=not slots.outlives)

    def run(self) -> None:
        """Run it; SystemExit with 1 if a trial failed, 130 if it was interrupted."""
        s = self.settings
        found = self.space.survey()
        if order() is None:
            mind_checks(self.composer, self.space.examples, self.space.fixed)
        pruner = make_pruner(s.pruner)
        if isinstance(self.slots, BatchSlots) and s.pruner is not None:
            raise ConfigError(
                f"hydra.sweeper.pruner must be null with {type(self.slots.launcher).__name__}, which reports nothing "
                f"before its batch ends, got {s.pruner!r}; use hydra/launcher=local"
            )
        extended = method(s.custom_search_space) is not None
        if not (found or extended or s.repeats > 1):
            say("nothing is searched; write key=loguniform(1e-4,1e-1), or list keys in hydra.sweeper.params")
        sampler = make_sampler(s.sampler, self.space, seed=s.seed, repeats=s.repeats, extended=extended)
        self._check_launcher(planned=isinstance(sampler, PlannedSampler))
        if isinstance(self.slots, LocalSlots) and isinstance(sampler, PlannedSampler) and s.storage is None:
            self.slots.ahead = 1  # what was drawn doesn't depend on what ended, and nobody else waits for it
        self.slots.preflight(self.space.examples)
        if not extended:  # else only a trial knows all that its folder may be named after
            for pick in (lambda p: p.at(0.0), lambda p: max(p.extremes, key=lambda value: len(p.override(value)))):
                trial_dir(self.composer, self.space.overrides(self.space.walk(pick)), 0, "")
        if s.n_trials > 1:
            check_subdir(self.config)
        if s.dry_run:
            show_plan(self.settings, self.space, found, self.slots, sampler)
            return
        shared = None if s.storage is None else open_study(s, None, sampler, pruner)
        if shared is not None:
            self.space.check_recorded(shared)
        folder = self._claim()
        try:
            told = self.slots.open(folder.path)
            asked = self._found_or_resume(folder, {**self._asked(found, folder), **told})
            study = shared or open_study(s, folder, sampler, pruner)
            self._run(folder, study, asked)
        except ConfigError:
            if not folder.exists:
                folder.discard()
            raise
        except OSError as error:
            if not folder.exists:
                folder.discard()
            raise unwritable(folder.path, error) from error
        except optuna.exceptions.StorageInternalError as error:
            raise ConfigError(
                f"hydra.sweeper.storage must stay there while its study runs, got from {masked(str(s.storage))}: "
                f"{masked(words(error.__cause__ or error))[:300]}; nothing recorded is lost, the same command goes on"
            ) from error
        finally:
            folder.release()

    def _run(self, folder: StudyFolder, study: Study, asked: dict[str, Any]) -> None:
        s = self.settings
        overrides: Any = OmegaConf.to_container(self.config.hydra.overrides.hydra)  # as written
        size = size_of(study.sampler)
        results = Results(
            folder,
            study,
            asked,
            n_trials=s.n_trials,
            size=None if size is None else size + enqueued(study),
            resume=self._resume_command(folder),
            typed=self._typed,
            mode_of_config=not any(o.startswith("hydra.mode=") for o in overrides),  # Hydra adds one if it has none
            shared=s.storage is not None,
        )
        view = View(results)
        relay = RelayProcess.tracking(folder.path, s.tracking)
        loop = Loop(s, folder, study, self.space, self.slots, self.composer, self.config, view, relay)
        state, reason, exit_code = "COMPLETE", None, 0
        with self._interruptible():
            try:
                try:
                    make_apps_database()
                    once = s.detach or order() == COLLECT
                    loop.run(once=once)
                    if not loop.unfinished:  # a sampler may have ended the study before its n_trials
                        results.total = sum(results.counts.values())
                    if once and loop.unfinished:
                        state, later = "RUNNING", loop.unfinished - loop.in_hand
                        reason = f"{loop.in_hand} trial(s) queued or running"
                        reason += f", {later} not submitted yet" if later else ""
                    elif results.failures:
                        state, reason, exit_code = "FAIL", results.failed(), 1
                except SweepStopped as stopped:
                    state, reason, exit_code = stopped.state, str(stopped), stopped.exit_code
                    self.slots.cancel()
                except KeyboardInterrupt:
                    state = "RUNNING" if self.slots.outlives else "INTERRUPTED"
                    reason, exit_code = "interrupted", 130
                finally:
                    loop.stop()
                    view.close()
            except KeyboardInterrupt:  # the second Ctrl-C: leave what is left to the nursery, which kills it
                state, reason, exit_code = "INTERRUPTED", "interrupted twice", 130
            self.slots.close()
            try:
                folder.end(state, reason)
                results.write()
                if relay.on:
                    relay.start_when_due(force=True)  # it writes what it knows while we draw
                    if state != "RUNNING" or results.counts["COMPLETE"]:  # else who collects draws them
                        results.write_plots()
                relay.finish(say)
                results.learn_runs(relay.run_ids)
                results.write()
            except KeyboardInterrupt:
                relay.kill()
                exit_code = 130
        show_results(results, state, reason, tracked=(relay.address, relay.page))
        if exit_code:
            self.context.callbacks.on_multirun_end(config=self.config, config_name=self.config.hydra.job.config_name)
            raise SystemExit(exit_code)

    def _check_launcher(self, *, planned: bool) -> None:
        """ConfigError for what the launcher can't do with this sampler and pruner."""
        s = self.settings
        if s.detach and not self.slots.outlives:
            raise ConfigError(
                "hydra.sweeper.detach must be false with a launcher whose trials end with this process, got true; "
                "run the sweep inside tmux, or set hydra.sweeper.detach=false"
            )
        learns = "" if planned else f"sampler={describe(s.sampler)['name']}, which learns from its trials"
        prunes = f"pruner={s.pruner}, which watches them" if s.pruner is not None else ""
        if s.detach and (learns or prunes):
            raise ConfigError(
                f"hydra.sweeper.detach must be false with {learns or prunes}, got true; "
                "run the sweep inside tmux, or use sampler=random, qmc or grid without a pruner"
            )
        if self.slots.outlives and not planned and s.n_jobs is None:
            raise ConfigError(
                f"hydra.sweeper.n_jobs must say how many jobs may be in the queue at once with {learns}, got null; "
                "try hydra.sweeper.n_jobs=8"
            )

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """SIGTERM and a closed terminal stop the sweep as Ctrl-C does."""
        # Hydra's launchers: their trials may fork pools here, which end workers by SIGTERM
        if isinstance(self.slots, BatchSlots) or threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: object) -> None:
            if number == signal.SIGHUP:  # what is written to a terminal that is gone fails
                _leave_terminal()
            raise KeyboardInterrupt

        heard = [signal.SIGTERM, signal.SIGHUP]
        heard += [signal.SIGINT] if callable(signal.getsignal(signal.SIGINT)) else []  # an app's own handler may go on
        before = {n: signal.signal(n, stop) for n in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _claim(self) -> StudyFolder:
        s, hydra = self.settings, self.config.hydra
        if s.study_name is not None and self._names_folder():
            safe_name(s.study_name)
        written = str(OmegaConf.to_container(hydra, resolve=False)["sweep"]["dir"])  # type: ignore[call-overload, index]
        fresh = "${now:" in written and (s.study_name is None or not self._names_folder())
        path = Path(sweep_dir(self.config))
        # two people may collect at once: the second waits for the first, and finds nothing left to do
        folder = claim_folder(path.absolute(), fresh=fresh, **({"wait_s": 120.0} if order() is not None else {}))
        # Hydra's launchers resolve it again, outside a job, and a resolver may say another name each time
        told = "${hydra:" not in written and Path(sweep_dir(self.config)).absolute() == folder.path
        if not told:
            with read_write(hydra), open_dict(hydra):
                hydra.sweep.dir = str(folder.path)
                hydra.overrides.hydra.append(f"hydra.sweep.dir={_quoted(str(folder.path))}")
        return folder

    def _asked(self, found: dict[str, str], folder: StudyFolder) -> dict[str, Any]:
        s = self.settings
        sampler = {k: v for k, v in describe(s.sampler).items() if k not in ("object", "target") and v is not None}
        provenance = Provenance.here()
        asked = {
            "name": s.study_name or folder.path.name,
            "app": str(self.config.hydra.job.name),
            "command": command_line() if self._typed else "the same program, which gives Hydra its overrides",
            "cwd": os.getcwd(),
            "commit": provenance.commit,
            "versions": provenance.versions,
            "directions": list(s.direction),
            "metric": self._metric_name(),
            "sampler": {"seed": s.seed, **sampler},
            "repeats": s.repeats,
            "fixed": self.space.fixed,
            "config": config_flags(),
            "space": found,
            "tracking": None if s.tracking is None else vars(s.tracking),
            "argv": argv() if self._typed else None,
        }
        return dict(masked_in(asked))

    def _found_or_resume(self, folder: StudyFolder, asked: dict[str, Any]) -> dict[str, Any]:
        if folder.exists:
            recorded = folder.read()
            folder.check_same(asked, recorded)
            mend_files(folder)
            folder.begin()
            return recorded
        Provenance.here().write_diff(folder.path / "study.diff")
        return folder.write(asked)

    def _metric_name(self) -> str:
        objective = before_its_job(self.config, "objective")
        return objective if isinstance(objective, str) else self.settings.monitor or "objective"

    @property
    def _typed(self) -> bool:
        written: Any = OmegaConf.to_container(self.config.hydra.overrides.task, resolve=False)
        return typed(written)

    def _resume_command(self, folder: StudyFolder) -> dict[str, object]:
        """The overrides that make the same command find this study again."""
        if self.settings.study_name is None and self._names_folder():
            return {"hydra__sweeper__study_name": folder.path.name}
        if self.settings.study_name is not None and self._names_folder():
            return {}
        return {"hydra__sweep__dir": _quoted(os.path.relpath(folder.path))}

    def _names_folder(self) -> bool:
        """True if the config names the sweep's folder after ``study_name``, as ours does."""
        return "hydra.sweeper.study_name" in str(OmegaConf.to_container(self.config.hydra.sweep, resolve=False))


def _leave_terminal() -> None:
    with open(os.devnull, "r+b") as nothing:
        for fd in (0, 1, 2):
            if stat.S_ISCHR(os.fstat(fd).st_mode) and not os.isatty(fd):  # a terminal that is gone is none
                os.dup2(nothing.fileno(), fd)


def _quoted(path: str) -> str:
    if re.fullmatch(r"[\w./-]+", path, re.ASCII):
        return path
    return "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'"


optuna.logging.set_verbosity(optuna.logging.WARNING)
