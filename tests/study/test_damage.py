"""Any file of a study torn or corrupted: it opens with what is intact, says what is not, and keeps that beside."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import optuna
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sweeper.lines import append_line, read_line
from tests.conftest import APPS, ROOT, Run, environment
from tests.study.test_failures import SWEEP, study
from tests.warm import Warm

TRIALS = 6
ASKED = (*SWEEP, "mode=flaky", "steps=2", "x=uniform(0,1)", "y=loguniform(1e-3,1)", f"hydra.sweeper.n_trials={TRIALS}")
SAMPLERS = ("random", "tpe")  # drawn by number, and drawn from history
FILES = (
    *("study.yaml", "study.journal", "trials.jsonl", "optimization_results.yaml", "study.end.json", "study.lock"),
    *("0/events.0.jsonl", "1/events.0.jsonl", f"{TRIALS - 1}/events.0.jsonl", "2/.hydra/config.yaml", ".study.yaml"),
)


class Whole(NamedTuple):
    """Undamaged studies, one a sampler, and what runs commands on copies of them."""

    folders: dict[str, Path]
    do: Callable[..., Run]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, _warm: Warm) -> Whole:
    def do(program: Path, *arguments: str, cwd: Path) -> Run:
        files = tmp_path_factory.mktemp("output")
        code = _warm.run([str(program), *arguments], cwd, environment(), files, 60)
        return Run(code, (files / "out").read_text(), (files / "err").read_text(), cwd)

    folders = {}
    for sampler in SAMPLERS:
        folders[sampler] = tmp_path_factory.mktemp(sampler) / "s"
        done = do(APPS / "toy.py", *ASKED, f"hydra/sweeper/sampler={sampler}", cwd=folders[sampler].parent)
        assert done.code == 1 and "not yet" in done.err, done  # some fail: that is in the record too
    return Whole(folders, do)


def told(folder: Path) -> list[tuple]:
    """What Optuna knows of each trial, but for the times."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return [(t.number, t.state.name, t.params, t.values) for t in study(folder).trials]


def cut(data: bytes, at: float, _: bytes) -> bytes:
    return data[: int(at * len(data))]


def flip(data: bytes, at: float, noise: bytes) -> bytes:
    where = int(at * len(data))
    return (
        data[:where]
        + bytes(b ^ (n or 1) for b, n in zip(data[where:], noise, strict=False))
        + data[where + len(noise) :]
    )


def insert(data: bytes, at: float, noise: bytes) -> bytes:
    where = int(at * len(data))
    return data[:where] + noise + data[where:]


def empty(data: bytes, at: float, noise: bytes) -> bytes:
    return b""


def zeros(data: bytes, at: float, noise: bytes) -> bytes:
    """What a power cut leaves where a file's length was written, but not its last blocks."""
    where = int(at * len(data))
    return data[:where] + b"\0" * (len(data) - where)


DAMAGE = (cut, flip, insert, empty, zeros)
HOW = {
    "sampler": st.sampled_from(SAMPLERS),
    "name": st.sampled_from(FILES),
    "damage": st.sampled_from(DAMAGE),
    "at": st.floats(0, 0.999),
    "noise": st.binary(min_size=1, max_size=40),
}


def opens_whole(whole: Whole, where: Path, sampler: str, name: str) -> None:
    folder = where / "s"
    before = (folder / name).read_bytes()
    status = whole.do(ROOT / "sweeper" / "__main__.py", "status", "s", cwd=where)
    assert status.code == 0 and "Traceback" not in status.both, status
    assert (folder / name).read_bytes() == before
    done = whole.do(APPS / "toy.py", *ASKED, f"hydra/sweeper/sampler={sampler}", cwd=where)
    assert done.code == 1 and "Traceback" not in done.both, done  # 1: some of its trials have failed
    assert told(folder) == told(whole.folders[sampler]), done
    assert not list(folder.glob("*/*.1.*")), "a trial ran again"
    rewritten = {"optimization_results.yaml", "study.lock", "study.end.json", "2/.hydra/config.yaml"}
    if name not in rewritten and before != (whole.folders[sampler] / name).read_bytes():
        kept = [path.read_bytes() for path in (folder / name).parent.glob(f"{Path(name).name}*")]
        head = before[: before.rfind(b"\n") + 1]
        assert any(before in data or (head in data and name == "study.journal") for data in kept), done
    again = whole.do(APPS / "toy.py", *ASKED, f"hydra/sweeper/sampler={sampler}", cwd=where)
    assert "can't be read" not in again.err.replace("events.", ""), again
    assert told(folder) == told(whole.folders[sampler])


def fuzz(examples: int):
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # an example takes two seconds: none is made smaller
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def opens_damaged(whole: Whole, where: Path, sampler: str, name: str, damage, at: float, noise: bytes) -> None:
    shutil.copytree(whole.folders[sampler], where / "s")
    path = where / "s" / name
    path.write_bytes(damage(path.read_bytes(), at, noise))
    opens_whole(whole, where, sampler, name)
    shutil.rmtree(where)


@given(**HOW)
@fuzz(4)
def test_one_file_damaged_at_random(whole, tmp_path_factory, **how):
    opens_damaged(whole, tmp_path_factory.mktemp("copy"), **how)


@pytest.mark.long
@given(**HOW)
@fuzz(6)
def test_more_files_damaged_at_random(whole, tmp_path_factory, **how):
    opens_damaged(whole, tmp_path_factory.mktemp("copy"), **how)


COPIES = {"study.yaml", ".study.yaml"}  # each of these is mended from the others of its group
RECORDS = {"study.journal", "trials.jsonl", *(name for name in FILES if "events" in name)}
DAMAGED = st.tuples(st.sampled_from(DAMAGE), HOW["at"], HOW["noise"])
SEVERAL = {
    "sampler": HOW["sampler"],
    "damaged": st.dictionaries(st.sampled_from(FILES[:-3] + FILES[-1:]), DAMAGED, min_size=2, max_size=4),
}


def opens_with_what_is_intact(whole: Whole, where: Path, sampler: str, damaged: dict) -> None:
    """No traceback, no byte of it or of an intact trial lost; all is known again where one of a group is whole."""
    shutil.copytree(whole.folders[sampler], folder := where / "s")
    before = {}
    for name, (damage, at, noise) in damaged.items():
        before[name] = damage(original := (folder / name).read_bytes(), at, noise)
        if before[name] == original:
            del before[name]
        (folder / name).write_bytes(before.get(name, original))
    status = whole.do(ROOT / "sweeper" / "__main__.py", "status", "s", cwd=where)
    done = whole.do(APPS / "toy.py", *ASKED, f"hydra/sweeper/sampler={sampler}", cwd=where)
    assert "Traceback" not in status.both + done.both and done.code == 1, (status, done)
    for path in whole.folders[sampler].glob("*/events.0.jsonl"):
        if (name := str(path.relative_to(whole.folders[sampler]))) not in before:
            assert (folder / name).read_bytes() == path.read_bytes(), done
    for name in before.keys() & (COPIES | RECORDS):
        kept = [path.read_bytes() for path in (folder / name).parent.glob(f"{Path(name).name}*")]
        head = before[name][: before[name].rfind(b"\n") + 1]
        assert any(before[name] in data or (head in data and name == "study.journal") for data in kept), done
    if all(len(before.keys() & group) < 2 for group in (COPIES, RECORDS)):
        assert told(folder) == told(whole.folders[sampler]), done
        assert not list(folder.glob("*/*.1.*")), "a trial ran again"
    shutil.rmtree(where)


@given(**SEVERAL)
@fuzz(2)
def test_several_files_damaged_at_random(whole, tmp_path_factory, sampler, damaged):
    opens_with_what_is_intact(whole, tmp_path_factory.mktemp("copy"), sampler, damaged)


@pytest.mark.long
@given(**SEVERAL)
@fuzz(7)
def test_several_more_files_damaged_at_random(whole, tmp_path_factory, sampler, damaged):
    opens_with_what_is_intact(whole, tmp_path_factory.mktemp("copy"), sampler, damaged)


@given(event=st.dictionaries(st.text(max_size=5), st.text(max_size=8), min_size=1), noise=st.binary(max_size=9))
def test_a_line_is_read_as_it_was_written_or_not_at_all(tmp_path_factory, event, noise):
    path = tmp_path_factory.mktemp("line") / "events.0.jsonl"
    with open(path, "wb") as file:
        append_line(file.fileno(), event)
    line = path.read_bytes()[:-1]
    event.pop("crc", None)
    assert read_line(line) == event == read_line(b"\0" * 3 + line)
    for where in range(0, len(line) - 1, 3):
        torn = flip(line, where / len(line), noise)
        assert torn == line or read_line(torn) in (None, event) or b',"crc":"' not in torn


def test_a_study_recorded_without_checksums_goes_on_whatever_its_folder_is_called_now(whole, tmp_path):
    shutil.copytree(whole.folders["random"], tmp_path / "s2")
    (tmp_path / "s2" / ".study.yaml").unlink()
    for path in [*tmp_path.glob("s2/*.yaml"), *tmp_path.glob("s2/**/*.jsonl")]:
        data = re.sub(rb"# checksum.*\n", b"", re.sub(rb',"crc":"\w+"', b"", path.read_bytes()))
        path.write_bytes(data)
    for _ in range(2):
        done = whole.do(
            APPS / "toy.py", *ASKED[:-1], f"hydra.sweeper.n_trials={TRIALS}", "hydra.sweep.dir=s2", cwd=tmp_path
        )
        assert done.code == 1 and "can't be read" not in done.err and "corrupt" not in done.err, done
        assert told(tmp_path / "s2") == told(whole.folders["random"])
    assert not list(tmp_path.glob("s2/*/*.1.*")), "a trial ran again"


def test_a_ledger_is_mended_beside_the_torn_one_and_what_a_kill_left_of_that_goes(quick, tmp_path):
    sweep = ("toy.py", *SWEEP, "x=uniform(0,1)")
    assert quick(*sweep, "hydra.sweeper.n_trials=2").code == 0
    ledger, left = tmp_path / "s" / "trials.jsonl", tmp_path / "s" / ".trials.jsonl.4242"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"number":')
    left.write_bytes(whole[:50])
    done = quick(*sweep, "hydra.sweeper.n_trials=3")
    assert done.code == 0 and "kept as trials.jsonl.corrupt" in done.err, done
    assert (tmp_path / "s" / "trials.jsonl.corrupt").read_bytes() == whole + b'{"number":'
    assert ledger.read_bytes().startswith(whole) and len(ledger.read_bytes().splitlines()) == 3
    assert not left.exists()
