import logging
import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeper.errors import ConfigError
from sweeper.folder import disk_full
from sweeper.trial.checkpoint import Checkpoint
from tests.conftest import small_disk
from tests.study.test_damage import DAMAGE

CPU = torch.device("cpu")
CONFIG = {"optimizer.lr": 0.1, "seed": 0}


def test_what_is_saved_is_loaded(tmp_path):
    Checkpoint(tmp_path, every_s=30, config=CONFIG).save({"weights": torch.arange(3), "epoch": 2})
    state = Checkpoint(tmp_path, every_s=30, config=CONFIG).load(CPU)
    assert state["epoch"] == 2
    assert torch.equal(state["weights"], torch.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_nothing_there_is_a_fresh_start(tmp_path):
    assert Checkpoint(tmp_path / "new", every_s=30, config=CONFIG).load(CPU) is None


@pytest.mark.parametrize(("every_s", "due"), [(0, True), (1000, False)])
def test_is_due_every_so_many_seconds(tmp_path, every_s, due):
    checkpoint = Checkpoint(tmp_path, every_s=every_s, config=CONFIG)
    assert checkpoint.due is due
    checkpoint.save({})
    assert checkpoint.due is due


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_torn_one_is_set_aside_and_said(tmp_path, caplog, kept):
    checkpoint = Checkpoint(tmp_path, every_s=30, config=CONFIG)
    for number in range(2):
        checkpoint.save({"weights": torch.arange(1000)})
        whole = checkpoint.path.read_bytes()
        torn = whole[: int(kept * len(whole)) if kept < 1 else kept]
        checkpoint.path.write_bytes(torn)
        with caplog.at_level(logging.WARNING):
            assert checkpoint.load(CPU) is None
        assert (tmp_path / f"checkpoint.pt.torn.{number}").read_bytes() == torn
        assert "is torn" in caplog.text


def test_what_a_killed_attempt_was_writing_goes_with_its_checkpoint(tmp_path):
    (tmp_path / ".checkpoint.pt.123").write_bytes(b"half")
    Checkpoint(tmp_path, every_s=30, config=CONFIG, attempt=1).save({})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.1.pt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_as_one(tmp_path):
    with small_disk(tmp_path / "disk", 64) as disk, pytest.raises((OSError, RuntimeError)) as raised:
        Checkpoint(disk, every_s=30, config=CONFIG).save({"weights": torch.zeros(100_000)})
    assert disk_full(raised.value, tmp_path)


def test_another_config_is_refused_by_key(tmp_path):
    Checkpoint(tmp_path, every_s=30, config=CONFIG).save({})
    other = Checkpoint(tmp_path, every_s=30, config={**CONFIG, "optimizer.lr": 0.2})
    with pytest.raises(ConfigError, match=r"optimizer.lr must be 0.1 as in .*checkpoint.pt, got 0.2; use another"):
        other.load(CPU)


def test_one_damaged_inside_is_set_aside(tmp_path):
    checkpoint = Checkpoint(tmp_path, every_s=30, config=CONFIG)
    checkpoint.save({"weights": torch.arange(1000)})
    whole = bytearray(checkpoint.path.read_bytes())
    start = whole.index(b"data.pkl") + 8
    whole[start : start + 200] = b"\xff" * 200
    checkpoint.path.write_bytes(whole)
    assert checkpoint.load(CPU) is None
    assert (tmp_path / "checkpoint.pt.torn.0").read_bytes() == whole


def test_a_later_attempt_goes_on_from_an_earlier_one_in_a_file_of_its_own(tmp_path):
    first = Checkpoint(tmp_path, every_s=30, config=CONFIG)
    first.save({"epoch": 3})
    second = Checkpoint(tmp_path, every_s=30, config=CONFIG, attempt=2)
    assert second.load(CPU) == {"epoch": 3}
    second.save({"epoch": 4})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.2.pt"]
    first.save({"epoch": 5})  # its node was only thought lost
    assert Checkpoint(tmp_path, every_s=30, config=CONFIG, attempt=3).load(CPU) == {"epoch": 4}


def test_a_torn_checkpoint_leaves_the_earlier_one(tmp_path):
    Checkpoint(tmp_path, every_s=30, config=CONFIG).save({"epoch": 3})
    (tmp_path / "checkpoint.1.pt").write_bytes(b"PK torn")
    assert Checkpoint(tmp_path, every_s=30, config=CONFIG, attempt=1).load(CPU) == {"epoch": 3}


@given(damage=st.sampled_from(DAMAGE), at=st.floats(0, 0.999), noise=st.binary(min_size=1, max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_one_is_what_was_written_or_nothing(tmp_path_factory, damage, at, noise):
    checkpoint = Checkpoint(tmp_path_factory.mktemp("c"), every_s=30, config=CONFIG)
    checkpoint.save({"weights": torch.arange(300), "epoch": 2})
    checkpoint.path.write_bytes(damaged := damage(checkpoint.path.read_bytes(), at, noise))
    state = checkpoint.load(CPU)
    if state is None:
        assert (checkpoint.path.parent / "checkpoint.pt.torn.0").read_bytes() == damaged
    else:
        assert state["epoch"] == 2 and torch.equal(state["weights"], torch.arange(300))
