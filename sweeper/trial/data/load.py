"""The two doors to the data: ``load`` for training and selection, ``open_test`` for the end."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from sweeper.errors import ConfigError
from sweeper.trial.build import call, parameters_of, target
from sweeper.trial.data.encode import encode
from sweeper.trial.data.examples import Data, Examples, Split, check
from sweeper.trial.data.exclude import leave_out, read_list
from sweeper.trial.data.split import Parts, moments, parts_of, shared_groups, standardise

DRAWN = ("seed", "val", "test")  # keys of data.split that say how one is drawn
GIVEN = ("column", "group")  # and those that name what the source itself has


def load(node: DictConfig) -> Data:
    """Training and validation data of ``cfg.data``, kept in memory: loaded before forking, paid once."""
    return _prepared(_key(node))[0]


def open_test(node: DictConfig) -> Split:
    """The test split, scaled by the training split's statistics; for the end of a run, on request."""
    test = _prepared(_key(node))[1]
    if len(test) == 0:
        raise ConfigError(f"data.split.test must be > 0 to open test, got {node.split.test}; try data.split.test=0.2")
    return test


def read(node: DictConfig) -> tuple[Examples, Parts]:
    """All examples of ``cfg.data`` as they are, problems and test split included, for ``stage=inspect`` alone."""
    examples, split = _source(_key(node))
    return examples, parts_of(examples, **split)


def _key(node: DictConfig) -> str:
    if missing := sorted(OmegaConf.missing_keys(node)):
        name = missing[0].removeprefix("data.")  # the full key or not, by how the node was made
        raise ConfigError(f"data.{name} must be given, got nothing; add data.{name}=… to the command")
    return json.dumps(OmegaConf.to_container(node, resolve=True), sort_keys=True)


def _source(key: str) -> tuple[Examples, dict[str, Any]]:
    """What the source gives, without what ``data.exclude`` lists, and how to draw a split."""
    source = json.loads(key)
    split, exclude = source.pop("split", None), source.pop("exclude", None)
    if not isinstance(split, dict) or not {"seed", "val", "test"} <= set(split) <= {*DRAWN, *GIVEN}:
        raise ConfigError(f"data.split must give seed, val and test, got {split}; copy it from conf/data/digits.yaml")
    given = {f"split_{name}": split[name] for name in GIVEN if split.get(name) is not None}
    bound = target(OmegaConf.create(source), "data")
    for name in given:
        if name not in parameters_of(bound.func):
            option = name.replace("_", ".")
            raise ConfigError(f"data.{option} has no effect on {source['_target_']}, got {given[name]}; remove it")
    examples = call(bound, "data", **given)
    if not isinstance(examples, Examples):
        raise ConfigError(f"data._target_ must return Examples, got {type(examples).__name__}; see sweeper.trial.data")
    if exclude is not None:
        examples = leave_out(examples, read_list(exclude), exclude)
    return examples, {name: split[name] for name in DRAWN}


@lru_cache(maxsize=2)
def _prepared(key: str) -> tuple[Data, Split]:
    examples, split = _source(key)
    check(examples)
    parts = parts_of(examples, **split)
    if examples.groups is not None and len(shared := shared_groups(examples.groups, parts)):
        example = examples.name_of(int(np.flatnonzero(examples.groups == shared[0])[0]))
        raise ConfigError(
            f"data.split must keep each group of data.split.group in one split, got {len(shared)} in two or more "
            f"(first: that of {example}); repair the split, or remove it and have one drawn by group"
        )
    return prepare(examples, parts)


def prepare(examples: Examples, parts: Parts) -> tuple[Data, Split]:
    """Training and validation data, and test; every statistic is of train alone."""
    train = parts[0]
    if examples.classes is None:
        target_mean, target_std = (float(m[0]) for m in moments(examples.targets[train]))
        targets = standardise(examples.targets, target_mean, target_std)
    else:
        target_mean, target_std = 0.0, 1.0
        targets = examples.targets.astype(np.int64)
    inputs = examples.inputs
    if examples.columns is not None:
        inputs = encode(inputs, examples.columns, train)
    if inputs.dtype.kind == "f" or inputs.dtype in (np.uint8, np.bool_):
        scale = moments(inputs[train])
        pieces = [standardise(inputs[part], *scale) for part in parts]
    else:
        pieces = [inputs[part] for part in parts]
    train_split, val, test = (Split(piece, targets[part]) for piece, part in zip(pieces, parts, strict=True))
    return Data(examples.name, train_split, val, examples.classes, target_mean, target_std), test
