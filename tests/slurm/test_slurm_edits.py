"""Jobs run the code and the config as submitted."""

from __future__ import annotations

import compileall
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.slurm.conftest import TOY
from tests.slurm.test_slurm_survives import queue_is_empty, sweeper, until
from tests.study.test_failures import study


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app in a git checkout: a change not committed, ignored data, and a root that it keeps in its environment."""
    app = tmp_path / "app"
    (app / "conf").mkdir(parents=True)
    (app / "data").mkdir()
    (app / "data" / "base.txt").write_text("10")
    (app / ".gitignore").write_text("data/\n")
    (app / "conf" / "config.yaml").write_text("x: 1\noffset: 100\nroot: ${oc.env:PROJECT_ROOT}\n")
    (app / "helper.py").write_text("def change(x):\n    return x + 1000\n")
    (app / "app.py").write_text(
        "import os, time\nfrom pathlib import Path\nimport hydra\nfrom helper import change\n"
        "ROOT = Path(__file__).parent\n"
        "os.environ.setdefault('PROJECT_ROOT', str(ROOT))\n"
        "@hydra.main(version_base='1.3', config_path='conf', config_name='config')\n"
        "def main(cfg):\n"
        "    Path('where.txt').write_text(os.getcwd() + ' ' + cfg.root)\n"
        "    return change(cfg.x) + cfg.offset + int((ROOT / 'data' / 'base.txt').read_text())\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    git = ["git", "-C", str(app), "-c", "user.email=a@b", "-c", "user.name=n"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    (app / "helper.py").write_text("def change(x):\n    return x + 2000\n")  # a change that is not committed
    (app / "loose.py").write_text("")
    compileall.compile_dir(app, quiet=2)
    return app


def submit_held(run, app: Path, *more: str):
    arguments = [a if a != "hydra.sweep.dir=s" else "hydra.sweep.dir=../s" for a in TOY[1:]]
    command = (*arguments, "x=choice(1,2,3)", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=3", *more)
    held = "+hydra.launcher.additional_parameters.hold=true"
    return run(app / "app.py", *command, "hydra.sweeper.detach=true", held, cwd=app)


def edit_and_release(slurm, app: Path, tmp_path: Path) -> list[float | None]:
    """The values of the trials once they have run."""
    (app / "helper.py").write_text("def change(x):\n    return x + 9999\n")
    (app / "conf" / "config.yaml").write_text("x: 1\noffset: 777\nroot: ''\n")
    slurm.command("scontrol", "release", slurm.command("squeue", "-h", "-o", "%F").split()[0])
    until(lambda: queue_is_empty(slurm))
    said = sweeper("collect", "s", cwd=tmp_path)
    assert said.returncode == 0, said
    return [t.value for t in study(tmp_path / "s").trials]


def test_edits_after_submission_do_not_reach_jobs(slurm, run, app, tmp_path):
    done = submit_held(run, app)
    assert done.code == 0 and "git does not track loose.py" in done.err, done
    held = sweeper("collect", "s", cwd=tmp_path)
    assert "and 2 more held (JobHeldUser), to go on: scontrol release " in held.stderr, held
    assert edit_and_release(slurm, app, tmp_path) == [2111, 2112, 2113]
    assert (app / "where.txt").read_text() == f"{app} {app}"
    assert len(list((tmp_path / "s" / "code" / "__pycache__").glob("helper.*.pyc"))) == 1  # no job had to compile it
    commit = subprocess.run(["git", "-C", app, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    said = yaml.safe_load((tmp_path / "s" / "study.yaml").read_text())
    assert said["commit"].startswith(commit.stdout.strip())
    assert "+    return x + 2000" in (tmp_path / "s" / "study.diff").read_text()


def test_without_a_snapshot_jobs_run_the_code_as_it_is(slurm, run, app, tmp_path):
    assert submit_held(run, app, "hydra.launcher.snapshot=false").code == 0
    values = edit_and_release(slurm, app, tmp_path)
    assert [v - x for v, x in zip(values, (1, 2, 3), strict=True)] == [9999 + 777 + 10] * 3
    assert not (tmp_path / "s" / "code").exists()
