"""A study survives its orchestrator: kill it anywhere, run the same command, and it ends as if undisturbed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
import yaml

from sweeper import folder as record
from sweeper.study.loop import GRACE_S
from tests.conftest import both_start_methods, processes_with, start
from tests.study.test_failures import results, study

SWEEP = (
    "-m",
    "hydra/sweeper=optuna",
    "hydra/launcher=local",
    "hydra.sweeper.tracking=null",
    "hydra.sweep.dir=s",
)
SPACE = ("x=uniform(0,1)", "y=loguniform(1e-3,1)")


def params(folder: Path) -> set[tuple]:
    return {tuple(sorted(t.params.items())) for t in study(folder).trials}


def ends(folder: Path) -> list[str | None]:
    """How the first attempts at the trials ended, by their own word or their reaper's."""
    first = [record.read_attempt(path.parent, 0).end for path in folder.glob("s/*/events.0.jsonl")]
    return [end and end.state for end in first]


@pytest.mark.long
def test_kill_9_at_ten_random_moments(run, tmp_path):
    command = ("toy.py", *SWEEP, *SPACE, "sleep=0.05", "hydra.sweeper.n_trials=60")
    moments = random.Random(4)
    for _ in range(10):
        process = start(*command, cwd=tmp_path)
        time.sleep(moments.uniform(0.6, 1.8))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = run(*command)
    assert done.code == 0, done
    trials = study(tmp_path / "s").trials
    assert [t.number for t in trials] == list(range(60))
    assert all(t.state.name == "COMPLETE" for t in trials)
    for trial in trials:
        ends = [
            event["values"][0]
            for path in sorted((tmp_path / "s" / str(trial.number)).glob("events.*.jsonl"))
            for event in map(json.loads, path.read_text().splitlines())
            if event["event"] == "end"
        ]
        assert ends and set(ends) == {trial.value}
    undisturbed = run(*command[:-1], "hydra.sweeper.n_trials=60", "hydra.sweep.dir=t")
    assert undisturbed.code == 0
    assert params(tmp_path / "s") == params(tmp_path / "t")
    assert processes_with(str(tmp_path)) == []


def test_one_slot_and_four_draw_the_same(run, tmp_path):
    for slots in (1, 4):
        done = run(
            "toy.py",
            *SWEEP,
            *SPACE,
            "hydra.sweeper.n_trials=20",
            f"hydra.sweeper.n_jobs={slots}",
            f"hydra.sweep.dir=n{slots}",
        )
        assert done.code == 0, done
    assert params(tmp_path / "n1") == params(tmp_path / "n4")


@both_start_methods
def test_ctrl_c_stops_cleanly_and_names_the_command_that_resumes(run, tmp_path, method):
    command = ("toy.py", *SWEEP, *SPACE, "sleep=0.5", "hydra.sweeper.n_trials=6")
    command = (*command, f"hydra.launcher.start_method={method}")
    process = start(*command, cwd=tmp_path)
    while not list(tmp_path.glob("s/*/events.0.jsonl")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert "resume" in out and "Traceback" not in err
    states = {t.state.name for t in study(tmp_path / "s").trials}
    assert "RUNNING" in states and "FAIL" not in states
    assert set(ends(tmp_path)) == {"INTERRUPTED"}  # whether it had said a word or not
    done = run(*command)
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 6, "PRUNED": 0, "FAIL": 0}


@pytest.mark.parametrize("mode", ["graceful", "wrapped"])
def test_a_trial_that_answers_the_stop_in_its_own_way_is_attempted_again(run, tmp_path, mode):
    command = ("toy.py", *SWEEP, *SPACE, f"mode={mode}", "hydra.sweeper.n_trials=2")
    process = start(*command, cwd=tmp_path)
    while len([p for p in tmp_path.glob("s/*/output.0.log") if "training" in p.read_text()]) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert ends(tmp_path) == ["INTERRUPTED"] * 2
    (tmp_path / "go").touch()
    done = run(*command)
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 2, "PRUNED": 0, "FAIL": 0}


def test_ctrl_c_stops_an_app_that_hears_it_itself(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(
        "import signal, time, hydra\nsignal.signal(signal.SIGINT, lambda *_: print('heard'))\n"
        "@hydra.main(version_base=None)\ndef main(cfg):\n    print('training', flush=True)\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    process = start(app, *SWEEP, "+x=uniform(0,1)", "hydra.sweeper.n_trials=4", cwd=tmp_path)
    while len([p for p in tmp_path.glob("s/*/output.0.log") if "training" in p.read_text()]) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "resume" in out, out + err
    assert ends(tmp_path) == ["INTERRUPTED"] * 2


@pytest.mark.parametrize("mode", ["children", "forking"])
def test_ctrl_c_reaches_what_trials_have_started(tmp_path, mode):
    process = start("toy.py", *SWEEP, *SPACE, f"mode={mode}", "hydra.sweeper.n_trials=2", cwd=tmp_path)
    while len([p for p in tmp_path.glob("s/*/output.0.log") if "training" in p.read_text()]) < 2:
        time.sleep(0.05)
    asked = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and time.monotonic() - asked < GRACE_S, out + err  # nothing was killed
    assert processes_with(str(tmp_path)) == []


def test_n_trials_is_the_total_and_extends(run, tmp_path):
    assert run("toy.py", *SWEEP, *SPACE, "hydra.sweeper.n_trials=4").code == 0
    first = params(tmp_path / "s")
    assert run("toy.py", *SWEEP, *SPACE, "hydra.sweeper.n_trials=7").code == 0
    assert len(params(tmp_path / "s")) == 7 and first < params(tmp_path / "s")


def test_blanks_make_no_other_space(run, tmp_path):
    for written in ("x=choice(0.1,0.2)", "x=choice(0.1, 0.2)", "x=choice( 0.1 , 0.2 )"):
        done = run("toy.py", *SWEEP, written, "hydra.sweeper.n_trials=2")
        assert done.code == 0, done
    refused = run("toy.py", *SWEEP, "x=choice(0.1,0.3)", "hydra.sweeper.n_trials=2")
    assert refused.code == 1 and "another space" in refused.err, refused


def test_another_space_is_refused_and_the_difference_shown(run, tmp_path):
    assert run("toy.py", *SWEEP, *SPACE, "hydra.sweeper.n_trials=2").code == 0
    before = (tmp_path / "s" / "study.journal").read_bytes()
    done = run("toy.py", *SWEEP, "x=uniform(0,2)", SPACE[1], "hydra.sweeper.n_trials=4")
    assert done.code == 1
    assert "x: uniform(0,1) → uniform(0,2)" in done.err and "Traceback" not in done.err
    assert (tmp_path / "s" / "study.journal").read_bytes() == before


def test_another_config_is_refused(run, tmp_path):
    (tmp_path / "conf").mkdir()
    for name in ("config", "other"):
        (tmp_path / "conf" / f"{name}.yaml").write_text(
            "defaults: [_self_, {override hydra/sweeper: optuna}]\nx: 1.0\n"
        )
    app = tmp_path / "app.py"
    app.write_text(
        "import hydra\n@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
        "def main(cfg):\n    return cfg.x\nmain()\n"
    )
    asked = ("x=uniform(0,1)", "hydra.sweep.dir=s", "hydra.sweeper.tracking=null")
    assert run(app, "-m", "-cn", "other", *asked, "hydra.sweeper.n_trials=1").code == 0
    refused = run(app, "-m", *asked, "hydra.sweeper.n_trials=2")
    assert refused.code == 1 and "another config, now config-name: other → nothing" in refused.err, refused
    assert run(app, "-m", "--config-name=other", *asked, "hydra.sweeper.n_trials=2").code == 0
    assert len(study(tmp_path / "s").trials) == 2


def test_a_trial_that_raises_keyboard_interrupt_itself(run, tmp_path):
    app = tmp_path / "app.py"
    app.write_text(
        "import hydra\n@hydra.main(version_base=None)\ndef main(cfg):\n    raise KeyboardInterrupt\nmain()\n"
    )
    for launcher in ("local", "basic"):
        done = run(
            app, "-m", "hydra/sweeper=optuna", f"hydra/launcher={launcher}", "+x=1,2", f"hydra.sweep.dir={launcher}",
            "hydra.sweeper.tracking=null",
        )  # fmt: skip
        assert done.code == 130 and "resume" in done.out, done


def test_a_second_orchestrator_on_a_folder_is_refused(run, tmp_path):
    command = ("toy.py", *SWEEP, *SPACE, "sleep=100", "hydra.sweeper.n_trials=2")
    first = start(*command, cwd=tmp_path)
    while not list(tmp_path.glob("s/*/events.0.jsonl")):
        time.sleep(0.05)
    second = run(*command)
    assert second.code == 1 and "one orchestrator at a time" in second.err and str(first.pid) in second.err
    first.send_signal(signal.SIGINT)  # the refused one has left it alone: it still stops as asked
    first.communicate(timeout=30)
    assert first.returncode == 130


def test_two_sweeps_in_the_same_second_get_folders_of_their_own(tmp_path):
    command = (
        "toy.py",
        *[a for a in SWEEP if "sweep.dir" not in a],
        "hydra.sweep.dir=multirun/${now:%Y-%m-%d}",
        *SPACE,
        "hydra.sweeper.n_trials=3",
    )
    both = [start(*command, cwd=tmp_path) for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
    folders = sorted(p.parent for p in tmp_path.glob("multirun/*/study.yaml"))
    assert len(folders) == 2
    for folder in folders:
        assert len(study(folder).trials) == 3


@pytest.mark.parametrize("name", ["a study", "étude ☂", "it's=odd, [really]"])
def test_odd_paths(run, tmp_path, name):
    where = tmp_path / name
    where.mkdir()
    quoted = "'" + name.replace("'", "\\'") + "'"
    done = run("toy.py", *SWEEP[:-1], f"hydra.sweep.dir={quoted}", *SPACE, "hydra.sweeper.n_trials=3", cwd=where)
    assert done.code == 0, done
    assert results(where / name)["counts"]["COMPLETE"] == 3
    rerun = next(line for line in done.out.splitlines() if line.startswith("rerun"))
    assert "x=" in rerun


def test_a_torn_journal_line_is_set_aside(run, tmp_path):
    assert run("toy.py", *SWEEP, *SPACE, "hydra.sweeper.n_trials=2").code == 0
    with open(tmp_path / "s" / "study.journal", "ab") as journal:
        journal.write(b'{"op_code": 4, "worker')
    done = run("toy.py", *SWEEP, *SPACE, "hydra.sweeper.n_trials=4")
    assert done.code == 0, done
    assert len(study(tmp_path / "s").trials) == 4
    assert b"op_code" in (tmp_path / "s" / "study.journal.torn").read_bytes()


def test_study_yaml_says_what_was_asked(run, tmp_path):
    assert run("toy.py", *SWEEP, *SPACE, "hydra.sweeper.n_trials=2").code == 0
    asked = yaml.safe_load((tmp_path / "s" / "study.yaml").read_text())
    assert asked["space"] == {"x": "uniform(0,1)", "y": "loguniform(1e-3,1)"}
    assert asked["directions"] == ["minimize"] and asked["sampler"]["name"] == "RandomSampler"
