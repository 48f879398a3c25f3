"""The error a person can meet: one line with the key, the rule, the value and the repair."""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable

from hydra.errors import CompactHydraException

_CONTROL = re.compile(r"\x1b\[[\d;]*[A-Za-z]|[\x00-\x1f\x7f]")  # colours among them; MLflow's PostgreSQL refuses \x00


class ConfigError(ValueError, CompactHydraException):
    """A mistake in config, data, cluster or disk; Hydra prints its message alone, without a traceback.

    Write it as ``key must <rule>, got <value>; <repair>``. ``HYDRA_FULL_ERROR=1`` shows the traceback.
    """


def words(error: object) -> str:
    """What an exception says, in one line, without what a terminal would obey; an app's own may fail to say it."""
    try:
        return " ".join(_CONTROL.sub(" ", str(error)).split())
    except Exception as failure:
        return f"its text can't be shown: {type(failure).__name__} in __str__"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name closest to ``word`` as `` (did you mean 'x'?)``, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def require(what: str, *packages: str) -> None:
    """ConfigError with the install line unless each package that ``what`` needs is installed; imports none."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        names = " ".join(missing)
        raise ConfigError(f"{what} needs {' and '.join(missing)}, not installed here; pip install {names}")
