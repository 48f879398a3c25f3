"""Run the checks in causal order; each on the subject as it was given."""

from __future__ import annotations

import importlib
import pkgutil
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from sweeper.errors import ConfigError, nearest, words
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import FAIL, Report, Verdict

GROUPS = ("inputs", "graph", "loss", "init", "step", "labels", "pipeline", "fit", "evaluation", "seeds")


@lru_cache
def all_checks() -> tuple[type[Check], ...]:
    """Every class of :class:`Check` in the folders of ``GROUPS``, causes before effects."""
    found: list[type[Check]] = []
    for group in GROUPS:
        package = importlib.import_module(f"sweeper.trial.check.{group}")
        here: list[type[Check]] = []
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, Check) and value.__module__ == module.name:
                    value.group = group
                    here.append(value)
        found.extend(sorted(here, key=lambda check: check.rank))
    return tuple(found)


def chosen(only: Sequence[str] = (), skip: Sequence[str] = ()) -> list[type[Check]]:
    """The checks to run; ConfigError for a name that none has."""
    names = [check.name for check in all_checks()]
    for key, listed in (("only", only), ("skip", skip)):
        for name in listed:
            if name not in names:
                raise ConfigError(
                    f"{key} must name checks, got {name!r}{nearest(name, names)}; see sweeper/trial/check"
                )
    return [check for check in all_checks() if (not only or check.name in only) and check.name not in skip]


def run_checks(subject: Subject, *, only: Sequence[str] = (), skip: Sequence[str] = ()) -> Report:
    """All verdicts on ``subject``, which is as before afterwards."""
    began = time.perf_counter()
    return Report(subject.title, tuple(verdicts(subject, only=only, skip=skip)), time.perf_counter() - began)


def verdicts(subject: Subject, *, only: Sequence[str] = (), skip: Sequence[str] = ()) -> Iterator[Verdict]:
    """One after another, as they are measured."""
    failed: set[str] = set()
    for kind in chosen(only, skip):
        began = time.perf_counter()
        verdict = _verdict(subject, kind(), failed)
        if verdict.state == FAIL:
            failed.add(verdict.check)
        yield replace(verdict, seconds=time.perf_counter() - began)


def _verdict(subject: Subject, check: Check, failed: set[str]) -> Verdict:
    blocking = [name for name in check.needs if name in failed]
    if blocking:
        return check.not_applicable(f"{blocking[0]} failed, which this one builds on")
    try:
        with warnings.catch_warnings(), subject.untouched():
            warnings.simplefilter("ignore")  # a person's own code may warn as it does in training
            return check.measure(subject)
    except NotApplicable as reason:
        return check.not_applicable(str(reason))
    except Exception as error:  # a probe that this code can't take says nothing about its health
        return check.not_applicable(f"could not be measured ({type(error).__name__}: {words(error)[:200]})")
