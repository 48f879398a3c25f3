"""Open a study whose files were damaged, by a power cut, a full disk or a bad one.

The trials' folders are the truth and each file can be made again from others: what is intact counts, what is not is
named in one line and kept under another name, nothing is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from sweeper import folder as record
from sweeper.folder import SETTLED, End
from sweeper.lines import Tail, as_line
from sweeper.study.search.parameter import Parameter, Point, Value
from sweeper.study.search.samplers import PlannedSampler
from sweeper.study.search.space import SearchSpace
from sweeper.study.study_folder import (
    COPY,
    END,
    JOURNAL,
    LEDGER,
    RESULTS,
    STUDY,
    StudyFolder,
    Submission,
    as_submission,
    read_yaml,
    seal,
)
from sweeper.study.tracking.record import read_results, read_study_end
from sweeper.study.view.terminal import say


def mend_files(folder: StudyFolder) -> None:
    """Put aside what can't be read, and put back what was kept twice; the folder is claimed."""
    path = folder.path
    for name in (LEDGER, STUDY, COPY, RESULTS, END):
        for beside in path.glob(f".{name}.[0-9]*"):  # of one that was killed before it could rename it
            beside.unlink(missing_ok=True)
    _keep_twice(folder)
    for name, found in ((RESULTS, read_results(path)), (END, read_study_end(path))):
        if found is None and (path / name).exists():
            _said_aside(folder, name, "it is written anew")
    ledger = Tail(path / LEDGER)
    lines = ledger.read()
    torn = (path / LEDGER).exists() and (path / LEDGER).stat().st_size > ledger.offset
    if ledger.skipped or torn:
        aside = folder.set_aside(LEDGER, copied=True)  # in its place until the new one is whole
        say(f"{LEDGER} has {ledger.skipped + torn} line(s) that can't be read: kept as {aside}, the others count")
        record.replace(path / LEDGER, b"".join(as_line(line) for line in lines if as_submission(line)))


def _keep_twice(folder: StudyFolder) -> None:
    path, asked = folder.path, folder.read()
    whole = [name for name in (STUDY, COPY) if read_yaml(path / name, sealed=True) == asked]
    text = (path / (whole or [STUDY])[0]).read_text(encoding="utf-8")
    for name in {STUDY, COPY} - set(whole):
        if (path / name).exists() and (whole or name == COPY):
            _said_aside(folder, name, f"{(whole or [STUDY])[0]} has the same")
        record.replace(path / name, text if whole else seal(text))  # it was written before files had checksums


def trim_journal(folder: StudyFolder) -> None:
    """Set aside a last line that a death or a full disk cut short; Optuna refuses to read past one."""
    path = folder.path / JOURNAL
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with open(folder.path / f"{JOURNAL}.torn", "ab") as torn:
            torn.write(data[whole:] + b"\n")
        os.truncate(path, whole)


def contradiction(study: Study, folder: StudyFolder) -> str | None:
    """Where Optuna's record says other than the trials' folders do; None if nowhere.

    An end that only Optuna's record has kept goes back into its trial's folder.
    """
    submissions = folder.submissions()
    lost = 0
    for trial in study.get_trials(deepcopy=False):
        submitted = submissions.get(trial.number)
        if submitted is None:
            continue
        for name, value in trial.params.items():
            if submitted.params.get(name.partition(" (")[0], value) != value:
                return f"it has {name}={value} for trial {trial.number}"
        if trial.state.name not in SETTLED:
            continue
        path = folder.trial_folder(submitted.folder)
        attempts = record.attempts(path)
        ends = [end for n in attempts if (end := record.last_word(path, n)) and end.state in SETTLED]
        if not ends and attempts:
            lost += 1
            _put_back(path, attempts[-1], trial)
        elif ends and not any(_same(trial, end) for end in ends):
            return f"it has {trial.state.name} {trial.values or ''} for trial {trial.number}"
    if lost:
        say(f"{lost} trial(s) had lost their end, which {JOURNAL} has kept")
    return None


def recover(folder: StudyFolder, space: SearchSpace, study: Study) -> dict[int, Submission]:
    """The ledger, with the lines that it has lost put back from the trials' folders; the folder is claimed."""
    submissions = folder.submissions()
    if {trial.number for trial in study.get_trials(deepcopy=False)} == submissions.keys():
        return submissions
    created = float(folder.read().get("created") or 0.0)
    drawn_once = isinstance(study.sampler, PlannedSampler)  # then who has another's overrides repeats it
    numbers = {tuple(s.overrides): s.number for _, s in sorted(submissions.items(), reverse=True)}
    for number, name, attempt, start in sorted(_starts(folder.path)):
        texts = start.get("overrides")
        if number in submissions or not isinstance(texts, list) or start["time"] < created:
            continue
        first = numbers.setdefault(tuple(texts), number)
        repeats = first if drawn_once and first < number else None
        folder.log_submission(number, attempt, name, _drawn(space, texts), texts, repeats)
    return folder.submissions()


def _starts(study: Path) -> Iterator[tuple[int, str, int, dict[str, Any]]]:
    """Number, folder, last attempt and its start event, of every trial below a study's folder."""
    for where, folders, files in os.walk(study):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.startswith("code")]
        if not any(name.startswith("events.") for name in files):
            continue
        for attempt in reversed(record.attempts(Path(where))):
            start = record.read_attempt(Path(where), attempt).start
            if type(number := start.get("number")) is int:
                yield number, os.path.relpath(where, study), attempt, start
                break


def _drawn(space: SearchSpace, overrides: Sequence[str]) -> Point:
    """The point of the space that a trial's overrides came from, as far as they say."""
    parsed = [space.composer.parse(text) for text in overrides]
    given = {o.get_key_element(): (o.get_value_string(), o) for o in parsed if not o.is_delete()}

    def pick(p: Parameter) -> Value:
        if p.key not in given:
            return p.at(0.0)
        text, override = given[p.key]
        d = p.distribution
        if isinstance(d, CategoricalDistribution):
            return next((c for c in d.choices if p.override(c) == f"{p.key}={text}"), d.choices[0])
        value: Any = override.value()
        return float(value) if isinstance(d, FloatDistribution) else value

    return space.walk(pick)


def _same(trial: FrozenTrial, end: End) -> bool:
    return trial.state.name == end.state and (trial.state != TrialState.COMPLETE or trial.values == end.values)


def _put_back(path: Path, attempt: int, trial: FrozenTrial) -> None:
    kept = record.end_path(path, attempt)
    if kept.exists():
        kept.rename(kept.with_suffix(".json.corrupt"))
    when = trial.datetime_complete
    end = End(trial.state.name, trial.values, trial.user_attrs.get("sweeper.reason"))
    end.time = when.timestamp() if when else end.time
    record.write_end(path, attempt, end)


def _said_aside(folder: StudyFolder, name: str, then: str) -> None:
    say(f"{name} can't be read: kept as {folder.set_aside(name)}, {then}")
