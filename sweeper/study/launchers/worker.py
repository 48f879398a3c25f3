"""A worker is the same command again, stopped at Hydra's door.

A fresh interpreter runs the person's own program with the same arguments, so that resolvers, structured
configs, imports and environment are there exactly as in the sweeping process. Where the program asks Hydra
for its sweep, it gets one job of it instead. Nothing of the program is pickled but its composed config.
"""

from __future__ import annotations

import os
import pickle
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, NoReturn

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import configure_log, setup_globals
from hydra.types import HydraContext, RunMode

from sweeper.errors import ConfigError, words
from sweeper.folder import NO_SPACE, disk_full
from sweeper.study.compose import Composer
from sweeper.study.launchers import Job
from sweeper.study.launchers.command import Command
from sweeper.study.launchers.job import JobRunner, buffer_lines, put_on_record
from sweeper.study.launchers.nursery import take_stdin
from sweeper.trial.ending import describe, on_interrupt
from sweeper.trial.recorded import Recorded


class DoorNotReached(RuntimeError):
    """The program ended before it asked Hydra for its sweep; the message says how."""


def command_of(runner: JobRunner) -> Command:
    """The command that makes ``runner`` again; ConfigError for what can be neither rerun nor pickled."""
    if runner.command is not None:  # a worker's own
        return runner.command
    task = runner.task.task_function
    again = hasattr(sys.modules["__main__"], "__file__") and _of_main(task)
    program, module, arguments, cwd = _as_given() if again else (None, None, tuple(sys.argv), os.getcwd())
    return Command(
        program=program,
        module=module,
        arguments=arguments,
        cwd=cwd,
        path=tuple(sys.path),
        flags=tuple(subprocess._args_from_interpreter_flags()),  # type: ignore[attr-defined]
        door=getattr(task, "__qualname__", None),
        objectives=runner.task.objectives,
        state=_state(runner, again),
    )


def enter(command: Command, then: Callable[[JobRunner], int]) -> int:
    """Bring this interpreter to Hydra's door, call ``then`` there with the runner and return what it returned.

    On the way back the program is left by an exception. DoorNotReached if the program ends before; what ``then`` raises
    is raised here, behind the program's back.
    """
    if command.program is None and command.module is None:
        return then(_from_pickle(command))
    given, code, ours = dict(os.environ), None, None

    def multirun(hydra: Hydra, config_name: str | None, task_function: Any, *_: Any, **__: Any) -> None:
        door(hydra.config_loader, task_function)

    def instantiate_sweeper(_: Plugins, *, hydra_context: HydraContext, task_function: Any, **__: Any) -> Any:
        door(hydra_context.config_loader, task_function)
        return SimpleNamespace(sweep=lambda arguments: [])

    def door(loader: ConfigLoader, task_function: Any) -> None:
        nonlocal code, ours
        if getattr(task_function, "__qualname__", None) != command.door:
            return  # an earlier sweep of the same program
        try:
            code = inside(loader, task_function)
        except BaseException as error:  # Hydra would print it, and exit as for a mistake of the program
            ours = error
        raise _Left

    def inside(loader: ConfigLoader, task_function: Any) -> int:
        open_door()  # a trial may sweep by itself
        os.environ.update(given)  # what the program changes again was changed where the sweep was started
        cwd, kept, kept_callbacks = pickle.loads(command.state)
        os.chdir(cwd)
        config = pickle.loads(kept)
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        callbacks = Callbacks(config) if kept_callbacks is None else pickle.loads(kept_callbacks)
        context = HydraContext(config_loader=loader, callbacks=callbacks)
        task = Recorded(task_function, objectives=command.objectives)
        runner = JobRunner(Composer(loader, config), context, task)
        runner.command = command
        return then(runner)

    def open_door() -> None:
        Hydra.multirun, Plugins.instantiate_sweeper, Hydra.get_mode = before  # type: ignore[method-assign]

    before = Hydra.multirun, Plugins.instantiate_sweeper, Hydra.get_mode
    Hydra.multirun = multirun  # type: ignore[method-assign, assignment]
    Plugins.instantiate_sweeper = instantiate_sweeper  # type: ignore[method-assign, assignment]  # of others than Hydra
    Hydra.get_mode = lambda *_, **__: RunMode.MULTIRUN  # type: ignore[method-assign]  # it would compose to find out
    try:
        _run_program(command)
        how = "ended"
    except SystemExit as error:
        how = f"called sys.exit({error.code!r})"
    except BaseException as error:
        if code is None and ours is None:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise DoorNotReached(f"the program failed before it reached Hydra: {describe(error)[1]}") from error
    finally:
        open_door()
    if ours is not None:
        raise ours
    if code is None:
        raise DoorNotReached(f"the program {how} before it reached Hydra")
    return code


def work(command: Command, job: Job, then: Callable[[JobRunner], int]) -> int:
    """:func:`enter` for one attempt at a trial: what keeps the program from Hydra becomes the attempt's end."""
    try:
        return enter(command, then)
    except DoorNotReached as stopped:
        if stopped.__cause__ is not None:
            traceback.print_exception(stopped.__cause__.with_traceback(_of_program(stopped.__cause__.__traceback__)))
        if disk_full(stopped.__cause__, job.folder):
            return NO_SPACE
        put_on_record(job, stopped, str(stopped))
        return 1
    except (Exception, KeyboardInterrupt) as error:
        traceback.print_exc()
        if disk_full(error, job.folder):
            return NO_SPACE
        put_on_record(job, error)
        return 1


class _Left(BaseException):
    """Unwinds the program; not an Exception, which Hydra would report."""


def _of_program(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the program's first frame on."""
    while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, "<frozen runpy>"):
        trace = trace.tb_next
    return trace


def _as_given() -> tuple[str | None, str | None, tuple[str, ...], str]:
    """Program, module, arguments and folder of the command line.

    The program may have changed its folder and ``sys.argv`` since, and will do so again.
    """
    main, cwd, module = sys.modules["__main__"], os.getcwd(), None
    at = str(main.__file__)
    if main.__spec__ is not None and main.__spec__.name != "__main__":
        module = main.__spec__.name
        root = Path(at).parents[module.count(".")]  # the folder that holds its topmost package
        cwd = cwd if sys.flags.safe_path or cwd in sys.path else str(root)
    elif main.__spec__ is not None:  # a folder or a zip file that holds a __main__.py
        at = os.path.dirname(at)
    for i, word in enumerate(sys.orig_argv[1:], start=1):
        arguments = tuple(sys.orig_argv[i + 1 :])
        if module is not None:
            if word in (module, module.removesuffix(".__main__")):
                return None, module, arguments, cwd
        elif at == word:
            return at, None, arguments, cwd
        elif at.endswith(os.sep + word.rstrip(os.sep)):  # Python joins the folder and the word
            return at, None, arguments, at[: -len(word.rstrip(os.sep))]
    return None if module else os.path.abspath(at), module, tuple(sys.argv[1:]), cwd


def _of_main(task: Any) -> bool:
    """Whether the program that runs has made the task function, be it within another's, as hydra-zen's are."""
    import cloudpickle

    if getattr(task, "__module__", None) == "__main__":
        return True
    try:
        return b"__main__" in cloudpickle.dumps(task)
    except Exception:  # _state says why
        return False


def _state(runner: JobRunner, again: bool) -> bytes:
    import cloudpickle

    config, context = runner.composer.master, runner.context
    try:
        if not again:
            return bytes(cloudpickle.dumps((runner.task.task_function, config, context, Singleton.get_state())))
        try:  # classes of __main__ by name: they are there again
            kept = pickle.dumps(config)
        except Exception:
            kept = cloudpickle.dumps(config)
        try:  # as on_multirun_start left them
            callbacks = pickle.dumps(context.callbacks)
        except Exception:
            callbacks = None
        return pickle.dumps((os.getcwd(), kept, callbacks))
    except Exception as error:
        raise ConfigError(
            "the app's task function and its config must pickle where a trial is a process of its own, got "
            f"{type(error).__name__}: {words(error)[:300]}; define the task function in the "
            "program that the command line starts"
        ) from error


def _from_pickle(command: Command) -> JobRunner:
    """As Hydra's own launchers do for remote workers."""
    sys.path[:] = command.path
    sys.argv[:] = command.arguments
    os.chdir(command.cwd)
    setup_globals()
    task_function, config, context, singletons = pickle.loads(command.state)
    Singleton.set_state(singletons)
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    task = Recorded(task_function, objectives=command.objectives)
    return JobRunner(Composer(context.config_loader, config), context, task)


def _run_program(command: Command) -> None:
    """As the interpreter would: the program's arguments, its first place to look for modules, its ``__main__``."""
    os.chdir(command.cwd)
    looks = not {"-P", "-I"} & set(command.flags)
    if command.module is not None:
        sys.argv[:] = [command.module, *command.arguments]
        sys.path[:0] = [command.root or command.cwd] if looks else []
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
    elif command.program is not None:
        sys.argv[:] = [command.program, *command.arguments]
        if looks and os.path.isfile(command.program):
            sys.path.insert(0, os.path.dirname(os.path.realpath(command.program)))
        runpy.run_path(command.program, run_name="__main__")


def main() -> None:
    """A trial's process: the first attempt is read from stdin, others come through the nursery's pipe."""
    signal.signal(signal.SIGINT, on_interrupt)
    with os.fdopen(take_stdin(), "rb") as file:
        command, (run, pipe) = pickle.load(file), pickle.load(file)
    buffer_lines()

    def then(runner: JobRunner) -> NoReturn:
        # what the program does after its sweep isn't a trial's to do
        os._exit(runner.live(run, None if pipe is None else Connection(pipe)))

    code = work(command, run.job, then)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    from sweeper.study.launchers import worker  # by its own name: this __main__ makes way for the program's

    worker.main()
