"""What the folders say of a study: who it is, its ledger of submissions, its trials' attempts so far."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import ConfigError
from sweeper.folder import COMPLETE, FAIL, SETTLED, End, as_end, attempts, events_path, log_tail, read_end
from sweeper.lines import Tail
from sweeper.study.study_folder import (
    COPY,
    END,
    LEDGER,
    RESULTS,
    STUDY,
    StudyFolder,
    as_submission,
    read_yaml,
)


@dataclass(frozen=True)
class Study:
    """What a study says of itself; ``id`` is how the store finds its runs again."""

    id: str
    name: str
    app: str
    project: Path
    folder: Path
    started: float = 0.0
    commit: str | None = None
    command: str | None = None
    uri: str | None = None
    experiment: str | None = None
    metric: str = "objective"
    directions: tuple[str, ...] = ("minimize",)
    lone: bool = False  # a run outside a sweep: one trial, no parent


@dataclass
class Seen:
    """What was read of one attempt; ``fresh`` are the events that the store may lack."""

    tail: Tail
    relayed: int = 0  # events that an earlier relay brought to the store
    start: dict[str, Any] = field(default_factory=dict)
    fresh: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    last_step: int = 0
    reached: dict[str, int] = field(default_factory=dict)  # the last step of each metric
    last_time: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    end: End | None = None
    log_tail: str = ""  # of a failed one

    def take(self, events: Iterable[dict[str, Any]]) -> None:
        """Fold in the events that follow the ones taken before."""
        for event in events:
            self.count += 1
            self.last_time = max(self.last_time, event.get("time", 0.0))
            match event.get("event"):
                case "start":
                    self.start = event
                case "metrics":
                    step = event.get("step", 0)
                    self.last_step = max(self.last_step, step)
                    self.reached |= {key: max(self.reached.get(key, step), step) for key in event.get("values") or {}}
                case "tags":
                    self.tags |= event.get("values") or {}
                case "end":
                    self.end = self.end or as_end(event)
            if self.count > self.relayed:
                self.fresh.append(event)


@dataclass
class Trial:
    """A trial as submitted (``params`` are the searched ones, in order) and as read from its folder."""

    number: int | None
    folder: Path
    params: dict[str, Any]
    submitted: float
    attempt: int = 0  # the last one submitted
    relayed: dict[int, int] = field(default_factory=dict)
    skipped: dict[int, int] = field(default_factory=dict)  # lines that can't be read, by attempt
    seen: dict[int, Seen] = field(default_factory=dict)

    def read(self) -> None:
        """Take in what its folder has gained; the reaper's word is looked up first, being written last."""
        for n in attempts(self.folder):
            reaped = read_end(self.folder, n)
            if n not in self.seen:
                self.seen[n] = Seen(Tail(events_path(self.folder, n)), self.relayed.get(n, 0))
            seen = self.seen[n]
            seen.take(seen.tail.read())
            if seen.tail.skipped:
                self.skipped[n] = seen.tail.skipped
            seen.end = seen.end or reaped
            if seen.end and seen.end.state == FAIL:
                seen.log_tail = seen.log_tail or log_tail(self.folder, n)

    def attempts(self) -> list[tuple[int, Seen]]:
        """Those that have begun or ended, in order."""
        return [(n, seen) for n, seen in sorted(self.seen.items()) if seen.start or seen.end]

    @property
    def settled(self) -> bool:
        """Whether it has ended for good, as far as the ledger tells."""
        begun = self.attempts()
        return bool(begun) and begun[-1][0] >= self.attempt and _state(begun[-1][1]) in SETTLED

    def outcome(self) -> tuple[float | None, int]:
        """Its objective, where it is the only one, and when it ended, in ms; of a settled trial."""
        end = self.attempts()[-1][1].end
        assert end is not None
        return (end.values[0] if end.state == COMPLETE and end.values else None), round(end.time * 1000)

    @property
    def last_time(self) -> float:
        """When it was last heard of."""
        ends = [seen.end.time for seen in self.seen.values() if seen.end]
        return max([self.submitted, *ends, *(seen.last_time for seen in self.seen.values())])


def _state(seen: Seen) -> str | None:
    return seen.end.state if seen.end else None


def read_study(folder: Path) -> Study | None:
    """The study in a folder, or the lone run; None where neither has begun (yet)."""
    folder = folder.absolute()
    if not StudyFolder(folder).exists:
        return _read_lone(folder)
    said = StudyFolder(folder).read()
    tracking = said.get("tracking") or {}
    return Study(
        id=said["study_id"],
        name=said.get("name") or folder.name,
        app=said.get("app") or "sweeper",
        project=Path(said.get("cwd") or Path.cwd()),
        folder=folder,
        started=said.get("created") or 0.0,
        commit=said.get("commit"),
        command=said.get("command"),
        uri=tracking.get("uri"),
        experiment=tracking.get("experiment"),
        metric=said.get("metric") or "objective",
        directions=tuple(said.get("directions") or ("minimize",)),
    )


def _read_lone(folder: Path) -> Study | None:
    for n in attempts(folder):
        for event in Tail(events_path(folder, n)).read():
            if event.get("event") == "start":
                born = f"{event.get('host')}:{event.get('pid')}:{event['time']}"
                return Study(
                    id=uuid.uuid5(uuid.NAMESPACE_URL, born).hex,
                    name=folder.name,
                    app=event.get("job") or "sweeper",
                    project=Path(event.get("cwd") or Path.cwd()),
                    folder=folder,
                    started=event["time"],
                    lone=True,
                )
    return None


def require_study(folder: Path, *, lone: bool = False) -> Study:
    """The study (or ``lone`` run) in a folder; ConfigError for any other folder."""
    study = read_study(folder)
    if study is not None and study.lone and StudyFolder(study.folder.parent).exists:
        raise ConfigError(f"{str(folder)!r} is one trial of a study; give the study: {str(folder.parent)!r}")
    if study is None or study.lone > lone:
        run = " or a run (events.0.jsonl)" if lone else ""
        raise ConfigError(
            f"the folder must hold a study ({STUDY}){run}, got {str(folder)!r}; try multirun/<study name>"
        )
    return study


class Trials:
    """The trials of a study, as its ledger grows."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.known: dict[int | None, Trial] = {}
        self.repeats = 0  # how many of them repeat a failed one, beyond the study's total
        self._ledger = Tail(study.folder / LEDGER)
        if study.lone:
            self.known[None] = Trial(None, study.folder, {}, study.started)

    def submitted(self) -> Iterator[Trial]:
        """Read what the ledger has gained; each trial that it newly names, or names again."""
        for line in self._ledger.read():
            submitted = as_submission(line)
            if submitted is None:
                continue
            number = submitted.number
            if number not in self.known:
                self.repeats += submitted.repeats is not None
                folder = self.study.folder / submitted.folder
                self.known[number] = Trial(number, folder, submitted.params, submitted.time)
            trial = self.known[number]
            trial.attempt = max(trial.attempt, submitted.attempt)
            yield trial

    def damage(self) -> str | None:
        """What of the study's files can't be read, as far as they were; None if nothing."""
        folder = self.study.folder
        found = []
        if (folder / COPY).exists() and isinstance(read_yaml(folder / STUDY, sealed=True), Exception):
            found.append(f"{STUDY} (its copy serves)")
        for name, content in ((RESULTS, read_results(folder)), (END, read_study_end(folder))):
            if content is None and (folder / name).exists():
                found.append(name)
        lines = {LEDGER: self._ledger.skipped} if self._ledger.skipped else {}
        for trial in self.known.values():
            lines |= {
                str(events_path(trial.folder, n).relative_to(folder)): count for n, count in trial.skipped.items()
            }
        found += [f"{name} ({count} line{'s' if count > 1 else ''})" for name, count in lines.items()]
        if not found:
            return None
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        return f"can't be read, kept as it is, the rest counts: {', '.join(found[:5])}{more}"


def read_results(folder: Path) -> dict[str, Any] | None:
    """What the study had found when its orchestrator last wrote it down; None if that can't be read."""
    found = read_yaml(folder / RESULTS)
    return found if isinstance(found, dict) and {"counts", "best_trials", "resume"} <= found.keys() else None


def read_study_end(folder: Path) -> dict[str, Any] | None:
    """The orchestrator's word on how the study stopped: ``state``, ``reason``, ``time``."""
    try:
        end = json.loads((folder / END).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return end if isinstance(end, dict) and (end.get("state") == "RUNNING" or as_end(end)) else None
