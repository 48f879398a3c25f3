"""What the command line and ``hydra.sweeper.params`` ask for, as a search space."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.study.compose import Composer
from sweeper.study.search.parameter import Parameter, parameter
from sweeper.study.search.space import SearchSpace
from sweeper.study.settings import Settings


def read_space(settings: Settings, composer: Composer, arguments: Sequence[str], *, one_launcher: bool) -> SearchSpace:
    """Sort the command line and ``hydra.sweeper.params`` into fixed overrides and swept parameters."""
    swept: dict[str, Parameter] = {}
    fixed: dict[str, str] = {}
    sources = [(k, v, "hydra.sweeper.params") for k, v in settings.params.items()]
    for argument in arguments:
        override = composer.parse(argument)
        if override.is_delete():
            fixed[argument] = argument
            continue
        sources.append((override.get_key_element(), override.get_value_string(), "command line"))
    for key, written, source in sources:  # the command line comes last, and wins
        p = parameter(key, written, composer.parse, source)
        bare = key.lstrip("+")
        for table in (swept, fixed):
            table.pop(bare, None)
        if p is None:
            fixed[bare] = f"{key}={written}"
        else:
            swept[bare] = p
    return SearchSpace(
        composer,
        fixed=list(fixed.values()),
        swept=list(swept.values()),
        search=settings.search,
        one_launcher=one_launcher,
    )
