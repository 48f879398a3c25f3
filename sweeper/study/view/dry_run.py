"""What ``hydra.sweeper.dry_run`` prints: the space, the jobs, and each trial where its point is known beforehand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from optuna.samplers import BaseSampler

from sweeper.study.launchers import Slots
from sweeper.study.search.samplers import PlannedSampler, describe, size_of
from sweeper.study.search.space import SearchSpace
from sweeper.study.settings import Settings
from sweeper.study.view.terminal import result, say


def show_plan(
    settings: Settings, space: SearchSpace, found: Mapping[str, str], slots: Slots, sampler: BaseSampler
) -> None:
    """``found`` has the parameters as written, by name."""
    say(f"dry run: nothing is started. Space, {len(found)} parameter(s):")
    for key, written in found.items():
        result(f"  {key}: {written}")
    size = size_of(sampler)
    total = settings.n_trials if size is None else min(settings.n_trials, size)
    plan = slots.plan(space.examples[0], total)
    if plan:
        result(plan)
    points = "" if size is None else f" (the space has {space.size} points)"
    say(f"{total} trials{points}, sampler {describe(settings.sampler)['name']}:")
    if not isinstance(sampler, PlannedSampler):
        result("  the sampler chooses them as results come in")
        return
    for number in range(total):
        point = sampler.plan.point(number)
        if point is None:
            break
        result(f"  {number:04d} {shlex.join(space.overrides(point))}")
