"""``sync`` of a study with a damaged file: what is intact comes to MLflow as ever, what is not is named."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.study.test_damage import HOW, fuzz
from tests.study.tracking.conftest import Project, contents, sync

FILES = ("study.yaml", ".study.yaml", "trials.jsonl", "study.end.json", "0001/events.0.jsonl", "0001/end.0.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, template) -> Project:
    project = Project(tmp_path_factory.mktemp("whole"), "s", template)
    for number in range(3):
        project.trial(number, values=[0.5 * number])
    (project.path / "0001" / "end.0.json").write_text('{"state": "COMPLETE", "values": [0.5], "time": 1.0}')
    project.study.end("COMPLETE", None)
    return project


@pytest.mark.long
@given(**{**HOW, "name": st.sampled_from(FILES)})
@fuzz(4)
def test_what_is_intact_is_brought(whole, tmp_path_factory, sampler, name, damage, at, noise):
    intact = contents(whole.database) if whole.status() else (whole.sync(), contents(whole.database))[1]
    where = tmp_path_factory.mktemp("copy")
    shutil.copytree(whole.path, where / "s")
    shutil.copy(whole.template, where / "mlflow.db")
    (where / "s" / name).write_bytes(damaged := damage((whole.path / name).read_bytes(), at, noise))
    done = sync(whole.warm, str(where / "s"), "--tracking-uri", f"sqlite:///{where / 'mlflow.db'}")
    assert done.code in (0, 1) and "Traceback" not in done.both, done
    assert (where / "s" / name).read_bytes() == damaged
    kept = "trials.jsonl" if name == "trials.jsonl" else "0001" if name.startswith("0001") else ""
    known = contents(where / "mlflow.db")
    unharmed = {run for run, *_ in intact["runs"] if run.startswith(("0000", "0002"))}
    if kept != "trials.jsonl":  # a trial whose line is lost comes back when the study is resumed
        for table in ("runs", "params", "metrics"):
            assert {r for r in known[table] if r[0] in unharmed} == {r for r in intact[table] if r[0] in unharmed}
    if "can't be read" not in done.err and name != ".study.yaml":
        assert {r[0] for r in known["runs"]} == {r[0] for r in intact["runs"]}
