"""An interpreter that has everything imported, and forks once for each command it is sent.

A command then starts in a tenth of a second rather than two. What it runs is the program as the command line would
run it, in a process of its own: folder, environment, arguments, stdout and stderr, exit code. Not for programs whose
imports are what is tested, nor for those that start themselves again (spawned trials read the real command line).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

PRELOADED = (
    *("hydra", "optuna", "rich.console", "rich.live", "rich.table", "sweeper.study.sweep", "sweeper.study.start"),
    *("sweeper.trial.train", "sweeper.trial.stage", "models.mlp", "models.cnn", "models.linear"),
)


class Warm:
    """The interpreter's parent side. ``preload`` are modules, or ``module:function`` to call."""

    def __init__(self, *preload: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *(preload or PRELOADED)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )

    def run(self, arguments: list[str], cwd: Path, env: dict[str, str], files: Path, timeout: float) -> int:
        """Exit code of a command whose output is in ``files``/out and ``files``/err; it is killed at ``timeout`` s."""
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"arguments": arguments, "cwd": str(cwd), "env": env, "files": str(files), "timeout": timeout}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def serve() -> None:
    for name in sys.argv[1:]:
        module, _, function = name.partition(":")
        loaded = importlib.import_module(module)
        if function:
            getattr(loaded, function)()
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(**asked)
        print(_wait(pid, asked["timeout"]), file=answers, flush=True)


def _wait(pid: int, timeout: float) -> int:
    def kill(*_: object) -> None:
        os.killpg(pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, kill)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    _, status = os.waitpid(pid, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return os.waitstatus_to_exitcode(status)


def become(arguments: list[str], cwd: str, env: dict[str, str], files: str, timeout: float) -> None:
    """Be the command; never returns."""
    os.setsid()
    for fd, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, f"{files}/out", os.O_RDWR),
        (2, f"{files}/err", os.O_RDWR),
    ):
        os.dup2(os.open(name, flags | os.O_CREAT), fd)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.orig_argv[1:] = sys.argv[:] = arguments
    sys.path[0] = os.path.dirname(arguments[0])
    code = 1
    try:
        runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        import atexit

        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
