"""What is written of a study holds no password, stays in its folder, and is a person's text, not markup."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from sweeper.masked import masked
from sweeper.study.tracking.runs import escaped
from tests.conftest import APPS
from tests.study.test_failures import SWEEP, results

SECRET = "h0ney/p@t"
ADDRESSES = {
    f"postgresql://me:{SECRET}@host:5432/db": "postgresql://me:***@host:5432/db",
    f"http://:{SECRET}@127.0.0.1:1": "http://:***@127.0.0.1:1",
    f"mysql://host/db?user=me&password={SECRET}": "mysql://host/db?user=me&password=***",
    f"x=https://a:{SECRET}@h/p y=sqlite:///a.db": "x=https://a:***@h/p y=sqlite:///a.db",
    "sqlite:///me@home.db": "sqlite:///me@home.db",
    "mail me@home: now": "mail me@home: now",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_masked(address):
    assert masked(address) == ADDRESSES[address]


def test_no_file_holds_a_password(quick, tmp_path):
    address = f"http://me:{SECRET}@127.0.0.1:9"
    done = quick(
        *(
            "toy.py",
            *[a for a in SWEEP if "tracking" not in a],
            f"+tracking={{uri: '{address}'}}",
            f"+mine='{address}'",
        ),
        *("x=uniform(0,1)", "hydra.sweeper.n_trials=2", f"hydra.sweeper.storage='sqlite:///o.db?password={SECRET}'"),
        *("hydra.sweeper.study_name=s", "hydra.sweeper.tracking=null"),
    )
    assert done.code == 0, done
    assert SECRET not in done.both, done
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10 and [path for path in files if SECRET.encode() in path.read_bytes()] == []
    again = quick(APPS.parent.parent / "sweeper" / "__main__.py", "retry", "s")
    assert again.code == 2 and "password" in again.err and "***" in again.err, again


def test_hydras_own_launcher_leaves_no_password_and_a_reason_has_none(quick, tmp_path):
    address = f"http://me:{SECRET}@127.0.0.1:9"
    done = quick(
        *("toy.py", *SWEEP, "hydra/launcher=basic", f"+mine='{address}'", "mode=address", "x=0.1"),
        *("hydra.sweeper.n_trials=1",),
    )
    assert done.code == 1, done
    (failed,) = results(tmp_path / "s")["failed_trials"]
    assert failed["reason"] == "ConnectionError: can't reach http://me:***@127.0.0.1:9"
    written = [path for path in tmp_path.rglob("*.yaml") if SECRET in path.read_text()]
    assert written == [] and list(tmp_path.rglob(".hydra/config.yaml"))


@pytest.mark.parametrize("value", ["'../../../up'", "'/abs'", "'a/../../../b'"])
def test_a_value_does_not_leave_the_sweeps_folder(quick, tmp_path, value):
    where = tmp_path / "deep" / "here"
    where.mkdir(parents=True)
    done = quick(
        "toy.py", *SWEEP, f"+name={value},'ok'", "hydra.sweep.subdir=${name}", "hydra.sweeper.n_trials=2", cwd=where
    )
    assert done.code == 1 and "hydra.sweep.subdir must lie inside hydra.sweep.dir" in done.err, done
    assert [p.name for p in tmp_path.iterdir()] == ["deep"] and {p.name for p in where.iterdir()} <= {"s"}


def test_markup_in_values_is_text():
    text = escaped("<img src=x onerror=alert(1)> [here](http://evil) `x`")
    assert "<" not in text and "\\[here]" in text and "\\`" in text


def test_the_diff_is_of_tracked_files_alone(run, tmp_path):
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    (tmp_path / "app.py").write_text((APPS / "once.py").read_text())
    (tmp_path / "toy.py").write_text((APPS / "toy.py").read_text())
    (tmp_path / ".gitignore").write_text("secrets.env\n")
    git("init", "-q")
    git("add", "toy.py", ".gitignore")
    git("commit", "-q", "-m", "first")
    (tmp_path / "secrets.env").write_text("KEY=ignored-secret")
    (tmp_path / "notes.txt").write_text("untracked-secret")
    (tmp_path / "toy.py").write_text((APPS / "toy.py").read_text() + "# edited-here\n")
    done = run(tmp_path / "toy.py", *SWEEP, "x=uniform(0,1)", "hydra.sweeper.n_trials=1")
    assert done.code == 0, done
    diff = (tmp_path / "s" / "study.diff").read_text()
    assert "edited-here" in diff and "secret" not in diff.replace("secrets.env", "")
    assert len(yaml.safe_load((tmp_path / "s" / "study.yaml").read_text())["commit"]) == 40
    assert results(tmp_path / "s")["counts"]["COMPLETE"] == 1


def test_weights_load_without_running_code(tmp_path: Path):
    import pickle

    import torch

    from sweeper.trial.checkpoint import Checkpoint

    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"config": {}, "state": {"weights": Harm()}}, tmp_path / "checkpoint.pt")
    assert Checkpoint(tmp_path, every_s=1, config={}).load(torch.device("cpu")) is None
    assert not (tmp_path / "harmed").exists() and list(tmp_path.glob("checkpoint.pt.torn*"))
    assert pickle.dumps(Harm())
