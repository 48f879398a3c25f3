"""The space grammar: what is written, what Optuna gets, and the text that a drawn value becomes."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from optuna.distributions import CategoricalDistribution as Cat
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from sweeper.errors import ConfigError
from sweeper.study.search.parameter import parameter

Plugins.instance()  # teaches Hydra's grammar our two words


def read(written: str):
    return parameter("k", written, OverridesParser.create().parse_override, "command line")


@pytest.mark.parametrize(
    ("written", "distribution"),
    [
        ("interval(0, 1)", Float(0.0, 1.0)),
        ("interval(0.0, 1)", Float(0.0, 1.0)),
        ("int(interval(1.5, 8))", Int(1, 8)),
        ("tag(log, interval(1e-5, 1e-1))", Float(1e-5, 1e-1, log=True)),
        ("tag(log, int(interval(1, 100)))", Int(1, 100, log=True)),
        ("uniform(0, 1)", Float(0.0, 1.0)),
        ("loguniform(1e-5, 1e-1)", Float(1e-5, 1e-1, log=True)),
        ("int(loguniform(16, 256))", Int(16, 256, log=True)),
        ("range(1, 9, 2)", Int(1, 9, step=2)),
        ("tag(log, range(1, 9))", Int(1, 9, log=True)),
        ("range(1, 10, 4)", Int(1, 9, step=4)),
        ("range(-5.5, 5.5, step=0.5)", Float(-5.5, 5.5, step=0.5)),
        ("choice(32, 64)", Cat([32, 64])),
        ("a,b", Cat(["a", "b"])),
        ("true,false", Cat([True, False])),
        ("[a],[b,c]", Cat(["[a]", "[b,c]"])),
    ],
)
def test_written_and_meant(written, distribution):
    assert read(written).distribution == distribution


@pytest.mark.parametrize("written", ["3", "adam", "[a,b]", "null", "1e-3", "'a,b'"])
def test_one_value_is_no_parameter(written):
    assert read(written) is None


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("interval(1, 0)", "low < high"),
        ("loguniform(1e-1, 1e-5)", "low < high"),
        ("loguniform(0, 1)", "low > 0 because it is drawn in log"),
        ("tag(log, interval(-1, 1))", "low > 0 because it is drawn in log"),
        ("loguniforn(1e-5, 1e-1)", "Unknown function 'loguniforn'"),
        ("choice()", "empty choice"),
        ("range(5, 1)", "start < stop"),
        ("choice(a, a)", "different choices"),
        ("1,1,1", "hydra.sweeper.repeats=n"),
        ("tag(log, range(1, 9, 2))", "an interval to be drawn in log"),
        ("tag(log, range(0, 9))", "low > 0"),
        ("tag(log, choice(1, 2))", "an interval to be drawn in log"),
        ("uniform(a, b)", "must be a value or a distribution"),
    ],
)
def test_mistakes_name_key_rule_and_value(written, says):
    with pytest.raises(ConfigError) as error:
        read(written)
    assert says in str(error.value) and str(error.value).startswith("k (command line)") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "written", ["1,2", "1.5,2.5", "true,false", "null,1", "a,b", "'a,b',\"c=d\"", "[1,2],[3]", "a b,c", "{x: 1},{x: 2}"]
)
def test_every_choice_reads_back_as_written(written):
    p = read(written)
    parse = OverridesParser.create().parse_override
    expected = [x.text if hasattr(x, "text") else x for x in parse(f"k={written}").sweep_iterator()]
    assert [parse(p.override(c)).value() for c in p.distribution.choices] == expected


def test_a_quoted_list_is_a_list_as_with_the_peer():
    p = read("choice('[128, 32]', \"{a: 1}\", '[half', 'x, [1]')")
    parse = OverridesParser.create().parse_override
    values = [parse(p.override(c)).value() for c in p.distribution.choices]
    assert values[:2] == [[128, 32], {"a": 1}]
    assert values[2:] == ["[half", "x, [1]"]


def test_quantiles_stay_inside():
    for written in (
        "uniform(0, 1)",
        "loguniform(1e-5, 1e-1)",
        "range(-5.5, 5.5, step=0.5)",
        "int(loguniform(1, 9))",
        "a,b,c",
    ):
        p = read(written)
        for u in (0.0, 0.3, 1 - 2**-53):
            assert p.distribution._contains(p.distribution.to_internal_repr(p.at(u)))
