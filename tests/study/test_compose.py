"""Composing beside Hydra's own: what it reads of an override, and the config that comes out."""

from __future__ import annotations

import shutil

import pytest
from hydra import compose, initialize, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from sweeper.study.compose import Composer
from tests.conftest import ROOT

NUMBERS = ["0", "-0", "7", "-12", "1_000", "007", "+3", "0.5", "-0.25", "1e-05", "1.5e-3", "2E3", "1.e3", ".5", "nan"]
WORDS = ["adam", "f0", "_", "E", "NULL", "null", "True", "NaN", "inf", "choice", "a.b", "a-b", "0x1", "x1_"]
KEYS = ["seed", "+new", "++seed", "optimizer.lr", "model@other", "a/b"]


@pytest.fixture
def loaded():
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3", job_name="test"):
        master = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        yield Composer(loader, master), loader, master


def test_numbers_and_words_are_read_as_hydra_reads_them(loaded):
    composer, loader, _ = loaded
    parser = OverridesParser.create(config_loader=loader)
    for text in (f"{key}={number}" for key in KEYS for number in NUMBERS + WORDS):
        ours, theirs = composer.parse(text), parser.parse_override(text)
        assert (ours.input_line, ours.key_or_group, ours.package, ours.type) == (
            *(theirs.input_line, theirs.key_or_group, theirs.package, theirs.type),
        )
        assert repr(ours.value()) == repr(theirs.value()), text
        assert ours.get_value_element_as_str() == theirs.get_value_element_as_str(), text


def test_a_config_is_hydras_also_after_others_of_its_shape(loaded):
    composer, loader, master = loaded
    for options in (["optimizer=sgd", "model=mlp"], ["optimizer=adam", "model=cnn"]):
        for lr, seed in (("1e-05", "3"), ("0.25", "-1")):
            overrides = [*options, f"optimizer.lr={lr}", f"seed={seed}", f"+new.key={lr}", f"++new.other=[{seed}]"]
            ours = OmegaConf.to_container(composer.compose(overrides), resolve=False)
            theirs = OmegaConf.to_container(loader.load_sweep_config(master, overrides), resolve=False)
            assert ours == theirs


def test_a_new_key_is_composed_once_for_all_its_values(loaded):
    composer, loader, master = loaded
    for value in ("3", "'3'", "null", "[1,2]", "a b", "4"):
        ours = composer.compose(["model=cnn", f"+new={value}", "seed=1"])
        theirs = loader.load_sweep_config(master, ["model=cnn", f"+new={value}", "seed=1"])
        assert OmegaConf.to_container(ours) == OmegaConf.to_container(theirs)
    assert len(composer.composed) == 1
    with pytest.raises(HydraException, match="already"):
        composer.compose(["model=cnn", "+seed=3", "+new=1"])
    composer.compose(["model=cnn", "++seed=3"])
    with pytest.raises(HydraException, match="already"):
        composer.compose(["model=cnn", "+seed=3"])


def test_what_another_process_has_composed_is_hydras_whatever_was_edited_since(tmp_path):
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    overrides = ["optimizer=sgd", "model=cnn", "optimizer.lr=0.25", "+new.key=7", "seed=3"]
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3", job_name="test"):
        master = compose("config", return_hydra_config=True)
        loader = GlobalHydra.instance().config_loader()
        theirs = OmegaConf.to_container(loader.load_sweep_config(master, overrides), resolve=False)
        submitting, running = Composer(loader, master), Composer(loader, master)
        submitting.compose(["optimizer=sgd", "model=cnn", "optimizer.lr=0.5", "+new.key=8", "seed=1"])
        for option in tmp_path.glob("conf/*/*.yaml"):
            option.write_text("edited: true\n")
        running.composed = {running.shape(overrides): submitting.composed[submitting.shape(overrides)]}
        assert OmegaConf.to_container(running.compose(overrides), resolve=False) == theirs


def test_a_config_that_does_not_pickle_is_composed_where_it_is_needed():
    class Local:
        pass

    store = ConfigStore.instance()
    store.store(name="unpicklable", node=OmegaConf.create({"x": 1, "it": Local()}, flags={"allow_objects": True}))
    with initialize(None, version_base="1.3", job_name="test"):
        master = compose("unpicklable", return_hydra_config=True)
        composer = Composer(GlobalHydra.instance().config_loader(), master)
        assert composer.compose(["x=2"]).x == 2 and composer.compose(["x=3", "+y=1"]).x == 3
        assert composer.composed == {}
