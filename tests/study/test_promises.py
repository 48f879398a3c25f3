"""What Hydra promises a job it gets under every launcher: all that a job sees is compared with Hydra's own sweep."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import APPS

APP = APPS / "promises" / "app.py"
ASKED = (
    *("-m", "x=1,2", "hydra.sweep.dir=s", "hydra.job.chdir=true", "hydra.job.name=named"),
    *("+hydra.job.env_set.APP_SET=${hydra:job.num}", "hydra.job.env_copy=[APP_COPIED]"),
    *("+hydra.callbacks.told={_target_:told.Told,file:told.log}", "hydra/job_logging=default"),
    "hydra.sweep.subdir=${hydra.job.num}-${hydra.job.override_dirname}",
)
OPTUNA = ("hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "hydra.sweeper.tracking=null")
LAUNCHERS = {
    "fork": (*OPTUNA, "hydra/launcher=local"),
    "spawn": (*OPTUNA, "hydra/launcher=local", "hydra.launcher.start_method=spawn"),
    "basic": (*OPTUNA, "hydra/launcher=basic"),
    "joblib": (*OPTUNA, "hydra/launcher=joblib"),
    "basic sweeper": ("hydra/sweeper=basic", "hydra/launcher=local"),
}
QUICK = ("fork", "basic")


def seen(where: Path) -> list[dict[str, Any]]:
    """What each job saw, without what differs by nature: times, places, and which sweeper and launcher ran it."""
    jobs = []
    for folder in (where / "s" / "0-x=1", where / "s" / "1-x=2"):
        job = json.loads((folder / "seen.json").read_text().replace(str(where), "here"))
        hydra = job["hydra"]
        hydra.pop("run")
        hydra["sweep"]["dir"] = hydra["sweep"]["dir"].removeprefix("here/")  # ours is absolute
        hydra["overrides"]["hydra"] = [o for o in hydra["overrides"]["hydra"] if not re.match(r"hydra[/.](sw|la)", o)]
        hydra["runtime"]["choices"] = {
            k: v for k, v in hydra["runtime"]["choices"].items() if not re.search("/(sw|la)", k)
        }
        job["log"] = re.sub(r"\[[\d ,:-]+\]", "[time]", (folder / "named.log").read_text())
        job["record"] = sorted(path.name for path in (folder / ".hydra").iterdir())
        jobs.append(job)
    return jobs


def told(where: Path) -> dict[str, list[str]]:
    """The callbacks' calls: the sweep's, and each job's, in order; a job's may come from its own process."""
    calls: dict[str, list[str]] = {}
    for line in (where / "told.log").read_text().splitlines():
        job = re.search(r"job=(\S+)", line)[1]
        calls.setdefault(job, []).append(line if job == "None" else line.replace("other", "sweep"))
    return calls


@pytest.fixture(scope="module")
def hydras_own(tmp_path_factory):
    from tests.conftest import Run, start

    where = tmp_path_factory.mktemp("own")
    process = start(APP, *ASKED, "hydra/sweeper=basic", cwd=where, APP_COPIED="copied")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, Run(process.returncode, out, err, where)
    return where


@pytest.mark.parametrize("launcher", [n if n in QUICK else pytest.param(n, marks=pytest.mark.long) for n in LAUNCHERS])
def test_a_job_gets_what_hydra_promises(run, tmp_path, hydras_own, launcher):
    done = run(APP, *ASKED, *LAUNCHERS[launcher], APP_COPIED="copied")
    assert done.code == 0, done
    expected, found = seen(hydras_own), seen(tmp_path)
    for job in (*found, *expected) if launcher == "joblib" else ():  # joblib's own: no __main__, another id
        job.pop("main"), job["hydra"]["job"].pop("id")
    assert found == expected
    assert found[0]["env"] == {"APP_SET": "0", "APP_COPIED": "copied"} and found[1]["numbers"] == [1, 2, 3, 4, 5]
    assert found[0]["cwd"] == found[0]["hydra"]["runtime"]["output_dir"] == "here/s/0-x=1"
    calls = told(tmp_path)
    assert calls == told(hydras_own)
    assert [call.split()[0] for call in calls["0"]] == ["job_start", "job_end"]
