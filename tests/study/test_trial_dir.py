"""Folder names that follow from a trial's number alone: the shortcut against OmegaConf's own resolution."""

from __future__ import annotations

import hydra_plugins.sweeper_plugin.grammar  # noqa: F401  registers sweeper.pad
import pytest
from omegaconf import OmegaConf

from sweeper.study.trial_dir import of_number

NAMES = ["${hydra.job.num}", "t-${hydra.job.id}", "${sweeper.pad:${hydra.job.num}}_${hydra.job.num}"]
OTHERS = ["${hydra.job.override_dirname}", "${x}", "a/${hydra.job.num}", "${hydra.job.num}.${oc.env:USER}", "fixed ü"]


@pytest.mark.parametrize("number", [0, 7, 9999, 12345])
@pytest.mark.parametrize("written", NAMES)
def test_the_name_is_what_the_config_says(written, number):
    config = OmegaConf.create({"name": written, "hydra": {"job": {"num": number, "id": str(number)}}})
    assert of_number(written, number) == str(config.name)


@pytest.mark.parametrize("written", OTHERS)
def test_what_depends_on_more_is_left_to_the_config(written):
    assert of_number(written, 3) is None
