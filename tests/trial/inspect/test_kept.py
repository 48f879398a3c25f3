from dataclasses import asdict, replace

import numpy as np
import pytest

from sweeper.trial.data.examples import Column, Examples
from sweeper.trial.data.split import parts_of
from sweeper.trial.inspect.inspected import Inspected, inspect_examples
from sweeper.trial.inspect.kept import kept
from tests.trial.inspect.plants import fields as clouds


def table() -> Examples:
    rng = np.random.default_rng(0)
    inputs = np.column_stack([rng.normal(size=(300, 2)), rng.integers(0, 2, 300)])
    inputs[rng.integers(0, 300, 10), 0] = np.nan
    columns = (Column("a/b.npy"), Column("c"), Column("colour", ("blue", "red")))
    return Examples("t", inputs, inputs[:, 1] * 2, columns=columns)


def pictures() -> Examples:
    pixels = clouds(120, 16).transpose(0, 3, 1, 2)
    return Examples("p", np.concatenate([pixels, pixels[:5]]), np.arange(125) % 2, ("a", "b"))


def measured(found: Inspected) -> dict:
    return asdict(replace(found, examples=(), parts=()))


@pytest.mark.parametrize("make", [table, pictures])
def test_what_was_measured_of_the_same_examples_is_read_again(make, tmp_path, monkeypatch):
    monkeypatch.setattr("sweeper.trial.inspect.kept.FEWEST", 100)
    examples, calls = make(), []
    parts = parts_of(examples, val=0.2, test=0.2, seed=0)

    def again(given, given_parts=parts):
        def measure():
            calls.append(1)
            return inspect_examples(given, given_parts, lambda text: None)

        return kept(tmp_path, given, given_parts, measure)

    first = again(examples)
    named = replace(examples, inputs=examples.inputs.copy(), names=np.arange(len(examples)).astype(str))
    second = again(named)
    assert len(calls) == 1 and second.examples is named
    np.testing.assert_equal(measured(second), measured(first))
    assert list(second.table()) == list(first.table()) and list(second.issues) == list(first.issues)
    again(replace(examples, targets=np.sort(examples.targets)))
    again(examples, parts_of(examples, val=0.2, test=0.2, seed=1))
    assert len(calls) == 3
