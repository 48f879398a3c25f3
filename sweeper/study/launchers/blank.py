"""A process as it was before a trial: what can be set back is, and whether the rest is as it was."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import traceback
import warnings
from typing import Any

from omegaconf.basecontainer import BaseContainer

# As they are in a process that has just loaded the library.
NUMPY = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
TORCH = {
    "default_dtype": "float32",
    "default_device": "cpu",
    "float32_matmul_precision": "highest",
    "grad_enabled": True,
    "detect_anomaly": False,
    "deterministic": (False, False),
    "cudnn.enabled": True,
    "cudnn.benchmark": False,
    "cudnn.deterministic": False,
}


class Blank:
    """The state of this process now, to come back to after each trial.

    Set back are the working folder, the environment, ``sys.path`` and ``sys.argv``, the standard streams, warning
    filters, OmegaConf's resolvers and torch's switches. What a module keeps in its variables only that module knows.
    """

    def __init__(self) -> None:
        self._cwd, self._environ = os.getcwd(), dict(os.environ)
        self._path, self._argv = list(sys.path), list(sys.argv)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._filters = list(warnings.filters)
        self._resolvers = dict(BaseContainer._resolvers)
        torch: Any = sys.modules.get("torch")
        self._switches = TORCH if torch is None else _switches(torch)
        self._rest = _rest()

    def restored(self) -> bool:
        """Set back what can be; False if that fails, or something else differs or was left behind."""
        try:
            self._restore()
        except Exception:  # its folder is gone, its disk is full …
            traceback.print_exc()
            return False
        return _rest() == self._rest and not _has_children()

    def _restore(self) -> None:
        sys.stdin, sys.stdout, sys.stderr = self._streams
        sys.stdout.flush()
        sys.stderr.flush()
        os.chdir(self._cwd)
        if dict(os.environ) != self._environ:
            os.environ.clear()
            os.environ.update(self._environ)
        sys.path[:], sys.argv[:] = self._path, self._argv
        warnings.filters[:] = self._filters  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]  # a warning that was shown is shown again
        BaseContainer._resolvers.clear()
        BaseContainer._resolvers.update(self._resolvers)
        gc.collect()
        torch: Any = sys.modules.get("torch")
        if torch is not None:
            for name, value in _switches(torch).items():
                if value != self._switches[name]:
                    _set(torch, name, self._switches[name])
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()


def _switches(torch: Any) -> dict[str, Any]:
    """What decides for a whole process how torch computes."""
    cudnn = torch.backends.cudnn
    deterministic = torch.are_deterministic_algorithms_enabled()
    return {
        "default_dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "default_device": str(torch.get_default_device()),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "grad_enabled": torch.is_grad_enabled(),
        "detect_anomaly": torch.is_anomaly_enabled(),
        "deterministic": (deterministic, torch.is_deterministic_algorithms_warn_only_enabled()),
        "cudnn.enabled": cudnn.enabled,
        "cudnn.benchmark": cudnn.benchmark,
        "cudnn.deterministic": cudnn.deterministic,
    }


def _set(torch: Any, name: str, value: Any) -> None:
    module, _, switch = name.rpartition(".")
    if module:
        setattr(torch.backends.cudnn, switch, value)
    elif name == "default_dtype":
        torch.set_default_dtype(getattr(torch, value))
    elif name == "deterministic":
        torch.use_deterministic_algorithms(value[0], warn_only=value[1])
    elif name == "detect_anomaly":
        torch.autograd.set_detect_anomaly(value)
    else:
        getattr(torch, f"set_{name}")(value)


def _rest() -> dict[str, object]:
    """What is not set back."""
    numpy: Any = sys.modules.get("numpy")
    return {
        "threads": set(threading.enumerate()),
        "exit handlers": atexit._ncallbacks(),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals() - {signal.SIGINT}},
        "garbage collection": (gc.isenabled(), gc.get_threshold()),
        "recursion": sys.getrecursionlimit(),
        "numpy": NUMPY if numpy is None else numpy.geterr(),
    }


def _has_children() -> bool:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
