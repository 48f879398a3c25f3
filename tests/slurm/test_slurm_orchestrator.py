"""What a sweep outlives: the death of its orchestrator, of its terminal, of SLURM's controller."""

from __future__ import annotations

import os
import pty
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import APPS, environment, start
from tests.slurm.conftest import TOY
from tests.slurm.test_slurm_failures import job_of
from tests.slurm.test_slurm_survives import events, queue_is_empty, sweeper, until
from tests.study.test_failures import results, study

SPACE = ("x=uniform(0,1)", "y=loguniform(1e-3,1)")


@contextmanager
def terminal(*words: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command on a terminal of its own, which closes at the end: the process, and what types and reads there."""
    ours, theirs = pty.openpty()
    heed = "signal.signal(signal.SIGINT, signal.SIG_DFL)"  # ignored where the tests were put in the background
    run_there = f"import os, signal, sys; {heed}; os.login_tty(0); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", run_there]
    process = subprocess.Popen(
        [*command, sys.executable, str(APPS / words[0]), *words[1:]], cwd=cwd, env=environment(TERM="xterm"),
        stdin=theirs, start_new_session=False,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield process, ours
    finally:
        os.close(ours)


def read_until(ours: int, condition, timeout_s: float = 60) -> None:
    """Let the terminal take what is written to it, until ``condition`` of that."""
    deadline, drawn = time.monotonic() + timeout_s, b""
    while not condition(drawn):
        assert time.monotonic() < deadline
        if select.select([ours], [], [], 0.1)[0]:
            try:
                drawn += os.read(ours, 65536)
            except OSError:  # everybody has gone
                time.sleep(0.1)


def test_kill_9_of_the_orchestrator_at_ten_random_moments(slurm, run, tmp_path):
    command = (*TOY, *SPACE, "sleep=3", "hydra.sweeper.n_trials=32", "hydra.sweeper.n_jobs=10")
    moments, in_flight = random.Random(7), 0
    for number in range(10):
        process = start(*command, cwd=tmp_path)
        if number % 2:  # while it submits, watches and tells; else while it starts and adopts
            assert any(" in s, " in line or "resuming s" in line for line in process.stderr)
        time.sleep(moments.uniform(0.1, 2.5))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        in_flight += not queue_is_empty(slurm)
    assert in_flight >= 5
    done = run(*command)
    assert done.code == 0, done
    trials = study(tmp_path / "s").trials
    assert [t.number for t in trials] == list(range(32)) and {t.state.name for t in trials} == {"COMPLETE"}
    for trial in trials:
        attempts = events(tmp_path / "s" / str(trial.number))
        ends = [e["values"][0] for lines in attempts.values() for e in lines if e["event"] == "end"]
        assert ends == [trial.value]  # adopted where it lived on: no trial ran twice


def test_ctrl_c_and_a_closed_terminal_leave_the_jobs_to_the_same_command(slurm, run, tmp_path):
    command = (*TOY, *SPACE, "mode=wait", "hydra.sweeper.n_trials=6")
    with terminal(*command, cwd=tmp_path) as (process, ours):
        read_until(ours, lambda drawn: b"4 running  2 queued  0 to go" in drawn)
        os.write(ours, b"\x03")
        read_until(ours, lambda _: process.poll() is not None)
        assert process.returncode == 130
    with terminal(*command, cwd=tmp_path) as (process, ours):
        read_until(ours, lambda drawn: b"6 trials in s" in drawn)
        time.sleep(1)
    process.wait(timeout=30)
    assert process.returncode in (130, -signal.SIGHUP)
    assert len(slurm.command("squeue", "-h", "-t", "R", "-r", "-o", "%i").split()) == 4
    (tmp_path / "go").touch()
    done = run(*command)
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 6, "PRUNED": 0, "FAIL": 0}
    assert all(set(events(tmp_path / "s" / str(n))) == {0} for n in range(6))


def test_detach_and_collect(slurm, run, tmp_path):
    command = (*TOY, *SPACE, "mode=wait", "hydra.sweeper.n_trials=5", "hydra.sweeper.detach=true")
    with terminal(*command, cwd=tmp_path) as (process, ours):
        read_until(ours, lambda _: process.poll() is not None)
        assert process.returncode == 0
    assert study(tmp_path / "s").trials[0].state.name == "RUNNING"
    said = sweeper("status", "s", cwd=tmp_path)
    assert "0 of 5 trials have ended" in said.stdout and "jobs " in said.stdout, said
    watch = start("-m", "sweeper", "status", "s", "--watch", "--every-s", "0.3", cwd=tmp_path)
    assert "0 of 5 trials have ended" in watch.stdout.readline()
    (tmp_path / "go").touch()
    out, err = watch.communicate(timeout=60)  # it ends with the last of them
    assert watch.returncode == 0 and "5 of 5 trials have ended" in out and "sweeper collect s" in out, out + err
    until(lambda: queue_is_empty(slurm))
    both = [start("-m", "sweeper", "collect", "s", cwd=tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for number, lines in ((n, events(tmp_path / "s" / str(n))[0]) for n in range(5)):
        seconds = lines[-1]["time"] - lines[0]["time"]  # as it ran, whenever that was
        assert f"trial {number:04d} COMPLETE" in "".join(said) and f" {seconds:.1f} s  x=" in "".join(said)
    trials = study(tmp_path / "s").trials
    assert len(trials) == 5 and {t.state.name for t in trials} == {"COMPLETE"}
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 5
    assert "5 of 5 trials have ended: 5 complete" in sweeper("status", "s", cwd=tmp_path).stdout


def test_detach_is_refused_where_trials_must_be_watched(slurm, run, tmp_path):
    for watched in ("hydra.sweeper.pruner=median", "hydra/sweeper/sampler=tpe"):
        done = run(*TOY, *SPACE, watched, "hydra.sweeper.detach=true", "hydra.sweeper.n_jobs=2")
        assert done.code == 1 and "hydra.sweeper.detach must be false" in done.err, done
    assert list(tmp_path.iterdir()) == []


def test_cancel_leaves_it_resumable_and_retry_repeats_what_failed(slurm, run, tmp_path):
    command = (*TOY, "x=uniform(0,1)", "mode=wait", "hydra.sweeper.n_trials=3", "hydra.sweeper.detach=true")
    assert run(*command).code == 0
    job_of(tmp_path / "s" / "0")
    (tmp_path / "s" / ".submitit" / "submissions.jsonl").unlink()  # an orchestrator that died before it noted them
    said = sweeper("cancel", "s", cwd=tmp_path)
    assert "3 job(s) cancelled, 3 trial(s) left" in said.stdout, said
    until(lambda: queue_is_empty(slurm))
    assert "interrupted" in sweeper("status", "s", cwd=tmp_path).stdout
    (tmp_path / "go").touch()
    done = run(*command, "hydra.sweeper.detach=false")
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 3, "PRUNED": 0, "FAIL": 0}
    assert "nothing to cancel, s has ended" in sweeper("cancel", "s", cwd=tmp_path).stdout
    assert "the study has ended" in sweeper("status", "s", cwd=tmp_path).stdout


def test_retry_repeats_only_what_failed(slurm, run, tmp_path):
    command = (*TOY, "x=uniform(0,1)", "mode=flaky", "hydra.sweeper.n_trials=4", "hydra.sweeper.detach=true")
    assert run(*command).code == 0
    until(lambda: queue_is_empty(slurm))
    (tmp_path / "go").touch()
    said = sweeper("retry", "s", cwd=tmp_path)  # nobody has told Optuna yet
    assert said.returncode == 0 and "failed trial(s) to repeat" in said.stderr, said
    until(lambda: queue_is_empty(slurm))
    said = sweeper("collect", "s", cwd=tmp_path)
    assert said.returncode == 0 and "detach=true" in said.stdout.splitlines()[-1], said  # as the person typed it
    trials = study(tmp_path / "s").trials
    failed = [t.params["x"] for t in trials[:4] if t.state.name == "FAIL"]
    assert 0 < len(failed) < 4
    assert [t.params["x"] for t in trials[4:]] == failed and {t.state.name for t in trials[4:]} == {"COMPLETE"}
    done = run(*command, "hydra.sweeper.n_trials=5", "hydra.sweeper.detach=false")
    assert len(study(tmp_path / "s").trials) == 5 + len(failed), done


def test_a_stopped_controller_is_waited_for(slurm, run, tmp_path):
    other = [word if "sweep.dir" not in word else "hydra.sweep.dir=t" for word in TOY]
    detached = run(*other, "x=uniform(0,1)", "hydra.sweeper.n_trials=2", "hydra.sweeper.detach=true")
    assert detached.code == 0, detached
    sweep = start(
        *TOY, "x=uniform(0,1)", "sleep=1", "hydra.sweeper.n_trials=12", "hydra.sweeper.n_jobs=4", cwd=tmp_path
    )
    job_of(tmp_path / "s" / "0")
    slurm.stop_controller()
    stopped = time.monotonic()
    words = ("status", "cancel", "collect", "retry")
    asked = {word: start("-m", "sweeper", word, "t", cwd=tmp_path) for word in words}
    for word, process in asked.items():
        out, err = process.communicate(timeout=60)
        if word == "status":
            assert process.returncode == 0 and "jobs          unknown: " in out, out + err
        else:
            assert process.returncode != 0 and "a SLURM controller that answers" in err.splitlines()[0], out + err
            assert "Traceback" not in err, err
    time.sleep(max(0.0, stopped + 60 - time.monotonic()))
    slurm.start_controller()
    out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, out + err
    assert "SLURM does not answer" in err and "SLURM answers again" in err
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 12, "PRUNED": 0, "FAIL": 0}
    said = sweeper("collect", "t", cwd=tmp_path)
    assert said.returncode == 0 and results(tmp_path / "t")["counts"]["COMPLETE"] == 2, said
