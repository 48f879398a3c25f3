"""``python -m sweeper status|cancel|retry`` on a study of this machine."""

from __future__ import annotations

import subprocess
import sys
import time
import zipapp
from pathlib import Path

from tests.conftest import environment, processes_with, start
from tests.study.test_failures import results, study

SWEEP = ("-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.tracking=null", "hydra.sweep.dir=s")


def sweeper(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sweeper", *words]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120)


def test_cancel_stops_a_running_sweep_and_leaves_it_resumable(run, tmp_path: Path) -> None:
    command = ("toy.py", *SWEEP, "x=uniform(0,1)", "mode=wait", "hydra.sweeper.n_trials=3")
    process = start(*command, cwd=tmp_path)
    while len(list(tmp_path.glob("s/*/events.0.jsonl"))) < 2:
        time.sleep(0.05)
    running = sweeper("status", "s", cwd=tmp_path)
    assert "0 of 3 trials have ended" in running.stdout and "2 running" in running.stdout, running
    said = sweeper("cancel", "s", cwd=tmp_path)
    assert said.returncode == 0, said
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert processes_with(str(tmp_path)) == []
    assert "interrupted" in sweeper("status", "s", cwd=tmp_path).stdout
    (tmp_path / "go").touch()
    done = run(*command)
    assert done.code == 0, done
    assert results(tmp_path / "s")["counts"] == {"COMPLETE": 3, "PRUNED": 0, "FAIL": 0}


def test_retry_repeats_only_what_failed(run, tmp_path: Path) -> None:
    command = ("toy.py", *SWEEP, "x=uniform(0,1)", "mode=flaky", "hydra.sweeper.n_trials=4")
    assert run(*command).code == 1
    before = study(tmp_path / "s").trials
    failed = {t.params["x"] for t in before if t.state.name == "FAIL"}
    assert 0 < len(failed) < 4
    (tmp_path / "go").touch()
    said = sweeper("retry", "s", cwd=tmp_path)
    assert said.returncode == 0, said
    again = study(tmp_path / "s").trials[4:]
    assert {t.params["x"] for t in again} == failed and {t.state.name for t in again} == {"COMPLETE"}


def test_a_space_that_is_exhausted_is_a_study_that_has_ended(quick, tmp_path: Path) -> None:
    done = quick("toy.py", *SWEEP, "x=0.5,0.6", "hydra.sweeper.n_trials=5")
    assert done.code == 0, done
    said = sweeper("status", "s", cwd=tmp_path)
    assert "2 of 2 trials have ended" in said.stdout and "the study has ended" in said.stdout, said


def test_the_commands_of_programs_that_are_no_script(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    code = "import hydra\n@hydra.main(version_base=None)\ndef main(cfg):\n    return cfg.x\n"
    (package / "__main__.py").write_text(code + "main()\n")
    (package / "app.py").write_text(code)
    (package / "__init__.py").touch()
    zipapp.create_archive(package, tmp_path / "a.pyz")
    asked = "-m hydra/sweeper=optuna +x=choice(3) hydra.sweeper.tracking=null hydra.sweep.dir="
    starts = {
        "zip": (["a.pyz"], "python a.pyz"),
        "folder": (["pkg"], "python pkg"),
        "text": (["-c", "from pkg.app import main; main()"], "python -c 'from pkg.app import main; main()'"),
        "flags": (["-B", "-X", "utf8", "-m", "pkg"], "python -B -X utf8 -m pkg"),
        "joined": (["-BXutf8", "-Wdefault", "-Bmpkg"], "python -BXutf8 -Wdefault -B -m pkg"),
        "stdin": (["-"], "python -"),
    }
    for name, (words, typed) in starts.items():
        done = subprocess.run(
            [sys.executable, *words, *f"{asked}{name}".split()], cwd=tmp_path, env=environment(), text=True,
            capture_output=True, input=code + "main()\n", timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done
        assert f"rerun    {typed} +x=3\n" in done.stdout, done
    again = sweeper("retry", "stdin", cwd=tmp_path)
    assert again.returncode == 2 and "came from stdin" in again.stderr and len(again.stderr.splitlines()) == 1, again
    for name in ("zip", "text", "flags"):
        assert sweeper("retry", name, cwd=tmp_path).returncode == 0


def test_a_folder_without_a_study_is_one_line(run, tmp_path: Path) -> None:
    assert run("toy.py", "hydra.run.dir=alone").code == 0
    there = sorted((tmp_path / "alone").iterdir())
    nowhere = [(word, "nowhere") for word in ("status", "cancel", "retry", "collect")]
    for word, folder in (*nowhere, ("status", "alone"), ("cancel", "alone")):
        said = sweeper(word, folder, cwd=tmp_path)
        assert said.returncode != 0 and f"must hold a study (study.yaml), got '{folder}'" in said.stderr, said
        assert len(said.stderr.splitlines()) == 1, said
    assert sorted((tmp_path / "alone").iterdir()) == there
