"""The two doors to the data: ``load`` for training and selection, ``open_test`` for the end."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
from omegaconf import DictConfig, OmegaConf

from sweeper.errors import ConfigError
from sweeper.trial.build import instantiate
from sweeper.trial.data.examples import Data, Examples, Split, check
from sweeper.trial.data.split import moments, split_indices, standardise, strata


def load(node: DictConfig) -> Data:
    """Training and validation data of ``cfg.data``, kept in memory: loaded before forking, paid once."""
    return _prepared(_key(node))[0]


def open_test(node: DictConfig) -> Split:
    """The test split, scaled by the training split's statistics; for the end of a run, on request."""
    test = _prepared(_key(node))[1]
    if len(test) == 0:
        raise ConfigError(f"data.split.test must be > 0 to open test, got {node.split.test}; try data.split.test=0.2")
    return test


def _key(node: DictConfig) -> str:
    return json.dumps(OmegaConf.to_container(node, resolve=True), sort_keys=True)


@lru_cache(maxsize=2)
def _prepared(key: str) -> tuple[Data, Split]:
    source = json.loads(key)
    split = source.pop("split", None)
    if not isinstance(split, dict) or set(split) != {"seed", "val", "test"}:
        raise ConfigError(f"data.split must give seed, val and test, got {split}; copy it from conf/data/digits.yaml")
    examples = instantiate(OmegaConf.create(source), "data")
    if not isinstance(examples, Examples):
        raise ConfigError(f"data._target_ must return Examples, got {type(examples).__name__}; see sweeper.trial.data")
    check(examples)

    parts = split_indices(strata(examples.targets, examples.classes), **split)
    train = parts[0]
    if examples.classes is None:
        target_mean, target_std = (float(m[0]) for m in moments(examples.targets[train]))
        targets = standardise(examples.targets, target_mean, target_std)
    else:
        target_mean, target_std = 0.0, 1.0
        targets = examples.targets.astype(np.int64)
    inputs = examples.inputs
    if inputs.dtype.kind == "f":
        inputs = standardise(inputs, *moments(inputs[train]))
    train_split, val, test = (Split(inputs[part], targets[part]) for part in parts)
    return Data(examples.name, train_split, val, examples.classes, target_mean, target_std), test
