"""The live table as a terminal shows it: drawn on a pseudo-terminal by a real sweep."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from tests.conftest import APPS, environment

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def on_a_terminal(tmp_path, *arguments: str, columns: int = 120, all_of_it: bool = False) -> tuple[int, str, str]:
    """Exit code, stdout, and everything that stderr (or ``all_of_it``) drew on a terminal ``columns`` wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {k: v for k, v in environment(TERM="xterm-256color").items() if k != "COLUMNS"}
    with open(tmp_path / "stdout.txt", "w") as out:
        command = [sys.executable, str(APPS / "toy.py"), *arguments]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=env, stdout=theirs if all_of_it else out, stderr=theirs, stdin=subprocess.DEVNULL
        )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the terminal's last writer has gone
            break
        if not data:
            break
        drawn += data
    os.close(ours)
    return process.wait(), (tmp_path / "stdout.txt").read_text(), _ESCAPES.sub("", drawn.decode())


SWEEP = ("-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.tracking=null", "hydra.sweep.dir=s")


def test_the_table_counts_names_the_best_and_leaves(tmp_path):
    code, out, drawn = on_a_terminal(
        tmp_path, *SWEEP, "x=uniform(0,1)", "steps=3", "sleep=0.3", "hydra.sweeper.n_trials=8", "hydra.launcher.slots=2"
    )
    assert code == 0, (out, drawn)
    assert "sweeper: 8 trials in s, minimize" in drawn
    assert "waiting for the first trial" in drawn and "2 running" in drawn
    done = [int(n) for n in re.findall(r"(\d+)/8", drawn)]
    assert done == sorted(done) and len(set(done)) > 3, drawn  # it moves, and never back
    assert re.search(r"\d+ trials/min, \d+ s left", drawn), drawn
    bests = [float(v) for v in re.findall(r"best \S+ (\S+)  x=", drawn)]
    assert bests == sorted(bests, reverse=True) and bests, drawn  # minimized: it only improves
    assert not re.search(r"trial 000\d COMPLETE", drawn)  # lines are for where nothing can be drawn
    assert "best of 8 trials" in out


def test_notes_stay_above_the_table_and_failures_are_counted(tmp_path):
    code, out, drawn = on_a_terminal(
        tmp_path, *SWEEP, "mode=ok,raise", "hydra/sweeper/sampler=grid", "sleep=0.3", "+z=choice('[red]','[/]')"
    )
    assert code == 1, (out, drawn)
    assert "2 complete" in drawn and "2 fail" in drawn, drawn
    assert "+z=[red]" in drawn, drawn  # a value is text, not the table's markup
    assert "4/4" in drawn and "0 to go" in drawn, drawn  # the space has no more points than these
    assert "extend" not in out
    assert "weights exploded" in out


def test_a_narrow_terminal_breaks_nothing_and_gets_a_table_without_folders(tmp_path):
    code, _, drawn = on_a_terminal(
        tmp_path, *SWEEP, "x=uniform(0,1)", "hydra.sweeper.n_trials=3", columns=32, all_of_it=True
    )
    assert code == 0 and "3/3" in drawn and "Traceback" not in drawn, drawn
    assert "folder" not in drawn and len(re.findall(r"^000\d +\S+ +\S+ *$", drawn, re.MULTILINE)) == 3, drawn
