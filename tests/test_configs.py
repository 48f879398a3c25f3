"""Our quicker copies and values of configs are OmegaConf's own."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from omegaconf import MISSING, OmegaConf

from sweeper.configs import as_written, copied
from sweeper.trial.start_event import flatten


class Colour(Enum):
    RED = 1


@dataclass
class Inner:
    lr: float = 1e-3
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    colour: Colour = Colour.RED


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    nothing: Inner | None = None
    missing: int = MISSING
    none_missing: Any = MISSING
    by_colour: dict[Colour, Any] = field(default_factory=lambda: {Colour.RED: {"a": Colour.RED, "b": b"b"}})
    path: Path = Path("ü x")
    elsewhere: float = "${inner.lr}"  # type: ignore[assignment]
    union: int | str = 3
    union_elsewhere: int | str = "${union}"
    union_missing: int | str = MISSING


CONFIGS = [
    OmegaConf.structured(Outer),
    OmegaConf.create({"a": {"b": [{"c": None}, [], "${a}", "???"]}, "d": "${oc.env:HOME}/x", 3: True, "e": {}}),
    OmegaConf.create({"whole": "${other}", "other": {"x": 1}, "list": "${other}", "none": None}),
    OmegaConf.create([1, {"a": "${..0}"}]),
    OmegaConf.create({"a": lambda: 1}, flags={"allow_objects": True}),
]


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_as_written(config: Any) -> None:
    for node in (config, *(config._get_node(key) for key in (config if OmegaConf.is_dict(config) else ()))):
        if OmegaConf.is_config(node):
            assert as_written(node) == OmegaConf.to_container(node, resolve=False, enum_to_str=True)


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_copied(config: Any) -> None:
    ours, theirs = copied(config), copy.deepcopy(config)
    assert ours is not config and ours == theirs
    assert as_written(ours) == as_written(theirs)
    if OmegaConf.is_dict(ours):
        OmegaConf.update(ours, "new", 1, force_add=True)
        assert "new" not in config


def test_flatten_tells_each_value_as_hydra_would() -> None:
    config = OmegaConf.structured(Outer)
    flat = flatten(config)
    assert flat["inner.sizes"] == "[1, 2]" and flat["inner.colour"] == "Colour.RED" and flat["missing"] == "???"
    assert flat["union"] == flat["union_elsewhere"] == 3 and flat["elsewhere"] == 1e-3 and flat["nothing"] is None
    leaves = {key: value for key, value in flat.items() if not isinstance(value, str)}
    assert leaves == {key: OmegaConf.select(config, key) for key in leaves}
    assert set(flat) >= {"path", "union_missing", "none_missing", "by_colour.Colour.RED.a"}
    assert flatten(OmegaConf.create({"whole": "${other}", "other": {"x": 1}})) == {"whole.x": 1, "other.x": 1}
    nowhere = OmegaConf.structured(Outer(inner="${nowhere}", path="${nowhere}/x"))  # type: ignore[arg-type]
    assert (flatten(nowhere)["inner"], flatten(nowhere)["path"]) == ("${nowhere}", "${nowhere}/x")
