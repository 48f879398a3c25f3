"""What the tests share: running apps as a person does, in a folder of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from tests.warm import Warm

# a busy machine is no failure, and neither is an example that another commit would have met as well
hypothesis.settings.register_profile("sweeper", deadline=None, derandomize=True)
hypothesis.settings.load_profile("sweeper")

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / "tests" / "apps"

both_start_methods = pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.long)])


class Run:
    """A finished command: ``code``, ``out`` (stdout), ``err`` (stderr), and the folder it ran in."""

    def __init__(self, code: int, out: str, err: str, cwd: Path) -> None:
        self.code, self.out, self.err, self.cwd = code, out, err, cwd

    @property
    def both(self) -> str:
        return self.out + self.err

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def environment(**extra: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HYDRA", "MLFLOW", "PYTEST"))}
    return {**env, "PYTHONWARNINGS": "default", "COLUMNS": "140", **extra}


@contextmanager
def small_disk(path: Path, kib: int) -> Iterator[Path]:
    """A disk of so many KiB, mounted at a new folder ``path``, which needs root."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where the tests were put in the background


def start(app: str | Path, *arguments: str, cwd: Path, **env: str) -> subprocess.Popen[str]:
    program = app if isinstance(app, Path) or app == "-m" else APPS / app
    return subprocess.Popen(
        [sys.executable, str(program), *arguments],
        cwd=cwd,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_ctrl_c,
    )


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Run an app of ``tests/apps`` (or any path, or ``-m`` and a module) to its end in a fresh folder."""
    started: list[subprocess.Popen[str]] = []

    def run_(app: str | Path, *arguments: str, cwd: Path = tmp_path, timeout: float = 120, **env: str) -> Run:
        process = start(app, *arguments, cwd=cwd, **env)
        started.append(process)
        out, err = process.communicate(timeout=timeout)
        return Run(process.returncode, out, err, cwd)

    yield run_
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(scope="session")
def _warm() -> Iterator[Warm]:
    warm = Warm()
    yield warm
    warm.close()


@pytest.fixture
def quick(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, _warm: Warm) -> Callable[..., Run]:
    """As ``run``, for commands whose imports are not what is tested: they start in a tenth of the time."""

    def run_(app: str | Path, *arguments: str, cwd: Path = tmp_path, timeout: float = 120, **env: str) -> Run:
        files = tmp_path_factory.mktemp("output")
        program = str(app if isinstance(app, Path) else APPS / app)
        code = _warm.run([program, *arguments], cwd, environment(**env), files, timeout)
        return Run(code, (files / "out").read_text(), (files / "err").read_text(), cwd)

    return run_


def processes_with(text: str) -> list[int]:
    """Process ids whose command line or working folder mentions ``text``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                where = os.readlink(entry / "cwd")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and (text in command or text in where):
                found.append(int(entry.name))
    return found
