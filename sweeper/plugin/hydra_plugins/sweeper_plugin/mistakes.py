"""A mistake in a config or a command that Hydra 1.3 answers with a traceback of its own code is one line too.

A traceback is for code that a person can mend: where one has no frame of an app's, of a plugin's or of ours, it is
the config that is wrong. ``HYDRA_FULL_ERROR=1`` shows it all the same.
"""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from hydra._internal import utils
from hydra.core.override_parser.types import Override
from hydra.errors import CompactHydraException, ConfigCompositionException, HydraException
from omegaconf import Node
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

READERS = {"hydra", "omegaconf", "yaml", "antlr4"}  # what reads configs; it calls the standard library
OURS = {"sweeper", "hydra_plugins"}
REPAIRS = {  # of what Hydra and OmegaConf say, its beginning or its end
    "HydraConfig was not set": "outside a job, write ${hydra.…} with a dot",
    "Interpolation key": "correct the name, or give the value",
    "Config group override must be": "name one of its options, quoted if it is a number",
    "Sweeping over Hydra's configuration": "where the comma belongs to the value, quote that: 'key=\"a,b\"'",
}


def said(error: BaseException) -> str | None:
    """What is wrong, in one line; None if it may be something else than the config. Of a trial its own traceback."""
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        return None
    if type(error.__cause__).__name__ == "TrialTraceback":  # of the app's own code, in a trial's process
        return str(error.__cause__)
    trace = list(traceback.walk_tb(error.__traceback__))
    names = [str(frame.f_globals.get("__name__")) for frame, _ in trace]
    inside = names.index(utils.__name__) if utils.__name__ in names else 0
    packages = [name.partition(".")[0] for name in names[inside:]]
    if not {*packages} <= READERS | OURS | sys.stdlib_module_names:
        return None
    refused = isinstance(error, HydraException | OmegaConfBaseException | YAMLError)
    refused |= packages[-1] in READERS and isinstance(error, ValueError | RuntimeError | ImportError)
    if OURS & {*packages} and not refused:
        return None
    text = " ".join(str(error).split()) or traceback.extract_tb(error.__traceback__)[-1].line or type(error).__name__
    where = next((found for frame, _ in reversed(trace) if (found := _place(error, frame.f_locals))), None)
    return text + _repair(text) if where is None or where in text else f"{where}: {text}{_repair(text)}"


def _repair(text: str) -> str:
    return next((f"; {do}" for what, do in REPAIRS.items() if text.startswith(what) or text.endswith(what)), "")


def _place(error: BaseException, names: Mapping[str, Any]) -> str | None:
    """The override, the key or the file that a function had in hand."""
    override, node = names.get("override"), names.get("value", names.get("node"))
    if isinstance(override, Override):
        return override.input_line
    if isinstance(node, Node) and node._is_interpolation():
        return str(node._get_full_key(""))
    return names.get("full_path") or (names.get("job_dir_key") if isinstance(error, OSError) else None)


def extend_reports() -> None:
    """Put :func:`said` before Hydra's own reports, and before Python's of what Hydra doesn't report."""
    plain, hook = utils.run_and_report, sys.excepthook
    if getattr(plain, "says_mistakes", False):
        return

    def run_and_report(func: Callable[[], Any]) -> Any:
        def one_line() -> Any:
            try:
                return func()
            except CompactHydraException as error:
                if type(error) is ConfigCompositionException and (repair := _repair(str(error))):
                    raise CompactHydraException(f"{error}{repair}") from error
                raise
            except Exception as error:
                if (line := said(error)) is None:
                    raise
                raise CompactHydraException(line) from None

        return plain(one_line)

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        codes = [frame.f_code for frame, _ in traceback.walk_tb(trace)]
        line = said(error) if utils._run_hydra.__code__ in codes and issubclass(kind, Exception) else None
        if line is None:
            hook(kind, error, trace)
        else:
            print(line, file=sys.stderr)

    run_and_report.says_mistakes = True  # type: ignore[attr-defined]
    utils.run_and_report = run_and_report
    sys.excepthook = excepthook


extend_reports()
