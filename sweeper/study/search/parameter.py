"""The space grammar: a written distribution becomes an Optuna one, and a drawn value override text again.

Hydra's sweep grammar (``choice``, ``range``, ``interval``, ``tag(log, …)``, casts) and the two words
``uniform(low, high)`` and ``loguniform(low, high)``. As in hydra-optuna-sweeper the end of a ``range``
is included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.core.override_parser.types import (
    Glob,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from sweeper.errors import ConfigError, words

Value = str | int | float | bool | None
Point = dict[str, Value]  # by key


@dataclass(frozen=True)
class Parameter:
    """A searched key: its distribution, how it was written, and the override text of each choice."""

    key: str
    distribution: BaseDistribution
    written: str
    source: str  # where a person finds it: "command line", "hydra.sweeper.params", "space of an option"
    texts: tuple[str, ...] = ()  # parallel to the choices of a categorical distribution

    def override(self, value: Value) -> str:
        """``key=value`` in Hydra's grammar."""
        return f"{self.key}={self._text.get(repr(value)) or text_of(value)}"

    @cached_property
    def _text(self) -> dict[str, str]:
        """The text of each choice; there may be thousands."""
        choices = getattr(self.distribution, "choices", ())
        return {repr(choice): text for choice, text in zip(choices, self.texts, strict=True)}

    @property
    def count(self) -> int | None:
        """How many values it can take; None for a continuous one."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return len(d.choices)
        if isinstance(d, IntDistribution):
            return (d.high - d.low) // d.step + 1
        assert isinstance(d, FloatDistribution)
        return None if d.step is None else round((d.high - d.low) / d.step) + 1

    @property
    def is_mapping(self) -> bool:
        """Whether its choices are mappings, which set keys, even where the key names a config group."""
        return bool(self.texts) and all(text.startswith("{") for text in self.texts)

    @property
    def extremes(self) -> tuple[Value, ...]:
        """Values that stand for all: each choice, or both ends."""
        d = self.distribution
        return tuple(d.choices) if isinstance(d, CategoricalDistribution) else (self.at(0.0), self.at(1 - 2**-53))

    def at_index(self, index: int) -> Value:
        """The ``index``-th value of a countable parameter, in the order written."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return d.choices[index]
        if isinstance(d, IntDistribution):
            return d.low + index * d.step
        assert isinstance(d, FloatDistribution) and d.step is not None
        return min(float(f"{d.low + index * d.step:.12g}"), d.high)

    def at(self, u: float) -> Value:
        """The value at quantile ``u`` in [0, 1): uniform, or uniform in log where the distribution is log."""
        d = self.distribution
        if isinstance(d, FloatDistribution) and d.step is None:
            if d.log:
                low, high = math.log(d.low), math.log(d.high)
                return min(max(math.exp(low + u * (high - low)), d.low), d.high)
            return min(d.low + u * (d.high - d.low), d.high)
        if isinstance(d, IntDistribution) and d.log:
            low, high = math.log(d.low - 0.5), math.log(d.high + 0.5)
            return min(max(round(math.exp(low + u * (high - low))), d.low), d.high)
        assert self.count is not None
        return self.at_index(min(int(u * self.count), self.count - 1))


def text_of(value: Any) -> str:
    """A Python value as Hydra's grammar writes it, so that it reads back as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return str(value)


def parameter(key: str, written: str, parse: Callable[[str], Override], source: str) -> Parameter | None:
    """Read ``key=written``; None if it is one fixed value. Errors name the key, the rule and the repair."""
    try:
        override = parse(f"{key}={written}")
    except HydraException as error:
        raise ConfigError(
            f"{key} ({source}) must be a value or a distribution of Hydra's sweep grammar, got {written!r}: "
            f"{words(error)}; {_repair(key, written)}"
        ) from error
    if not override.is_sweep_override():
        return None
    value = override._value
    if isinstance(value, IntervalSweep):
        return Parameter(key, _interval(key, value, written, source), written, source)
    if isinstance(value, Sweep) and "log" in value.tags:
        return Parameter(key, _logarithmic(key, value, written, source), written, source)
    if isinstance(value, RangeSweep) and not value.shuffle and value.step >= 0:
        return Parameter(key, _range(key, value, written, source), written, source)
    # a shuffled choice is drawn in random order anyway; sorting keeps the study the same on every start
    try:
        elements = list(override.sweep_iterator())
    except TypeError:  # a number among a glob's patterns
        raise ConfigError(f"{key} ({source}) must have patterns that are text, got {written!r}; quote them") from None
    if isinstance(value, RangeSweep) and not value.shuffle and elements:  # a descending one
        return Parameter(key, _descending(elements, value), written, source)
    if not elements and isinstance(value, Glob):
        raise ConfigError(
            f"{key} ({source}) must match an option of its group, got {written!r}; a glob sees the options in the "
            "group's own folder: glob a folder below by its path, folder/below=glob(*)"
        )
    if not elements:
        raise ConfigError(f"{key} ({source}) must have at least one choice, got {written!r}; write choice(a, b)")
    written_as: dict[str, Any] = {}
    for x in elements:
        as_text = isinstance(value, Glob) or (isinstance(x, str) and "str(" in written)
        text = _read_as_text(str(x), parse) if as_text else choice_text(x, parse)
        written_as[text] = Transformer.encode(x)
    texts = sorted(written_as) if "shuffle" in written else list(written_as)
    if len(texts) < len(elements):
        raise ConfigError(
            f"{key} ({source}) must have different choices, got {written!r}; remove the repeated one: "
            "hydra.sweeper.repeats=n runs each point n times"
        )
    return Parameter(key, CategoricalDistribution([written_as[t] for t in texts]), written, source, tuple(texts))


def _repair(key: str, written: str) -> str:
    if written.count("(") > written.count(")"):
        return f"in YAML's {{…}} a comma ends the value: write it in quotes, {key}: '{written}, …)'"
    return "write for example loguniform(1e-4, 1e-1), interval(0, 1), int(interval(1, 8)) or choice(a, b)"


def _read_as_text(text: str, parse: Callable[[str], Override]) -> str:
    """Quoted where it would be read as something else, such as a number."""
    with suppress(HydraException):
        written = str(Transformer.str(text))
        if parse(f"key={written}").value() == text:
            return written
    return QuotedString(text, Quote.single).with_quotes()


def choice_text(choice: Any, parse: Callable[[str], Override]) -> str:
    """How a choice is written after ``key=``.

    A quoted list or mapping, ``choice("[64, 32]", "[64]")``, is that list: hydra-optuna-sweeper takes no other
    form, so this is how its users write one. Other text is quoted where Hydra would read it as something else.
    """
    if not isinstance(choice, str):
        return text_of(choice) if isinstance(choice, (bool, int, float, type(None))) else str(Transformer.str(choice))
    if choice.startswith(("[", "{")):
        with suppress(HydraException):
            if isinstance(parse(f"key={choice}").value(), (list, dict)):
                return choice
    text = str(Transformer.str(choice))
    with suppress(HydraException):
        read = parse(f"key={text}")
        if not read.is_sweep_override() and (read.value() == choice or not isinstance(read.value(), str)):
            return text
    return QuotedString(choice, Quote.single).with_quotes()


def _interval(key: str, sweep: IntervalSweep, written: str, source: str) -> BaseDistribution:
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    assert low is not None and high is not None
    if not low < high:
        raise ConfigError(f"{key} ({source}) must have low < high, got {written}; swap or widen the bounds")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{key} ({source}) must have finite bounds, got {written}")
    if log and low <= 0:
        raise ConfigError(
            f"{key} ({source}) must have low > 0 because it is drawn in log, got {written}; "
            "raise low, or use uniform(low, high)"
        )
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _logarithmic(key: str, sweep: Sweep, written: str, source: str) -> BaseDistribution:
    """Of a ``range``, as of an ``interval``, but for one with steps, which Optuna can't draw in log."""
    ends = (sweep.start, sweep.stop, sweep.step) if isinstance(sweep, RangeSweep) else ()
    if isinstance(sweep, RangeSweep) and sweep.step == 1 and all(isinstance(x, int) for x in ends):
        return _interval(key, IntervalSweep(start=sweep.start, end=sweep.stop, tags=sweep.tags), written, source)
    raise ConfigError(
        f"{key} ({source}) must be an interval to be drawn in log, got {written}; "
        "write loguniform(low, high), int(loguniform(low, high)), or leave the tag out"
    )


def _descending(elements: list[Any], sweep: RangeSweep) -> BaseDistribution:
    low, high = min(elements), max(elements)
    if all(isinstance(x, int) for x in (low, high, sweep.step)):
        return IntDistribution(low, high, step=abs(int(sweep.step)))
    return FloatDistribution(float(low), float(high), step=abs(float(sweep.step)))


def _range(key: str, sweep: RangeSweep, written: str, source: str) -> BaseDistribution:
    low, stop, step = sweep.start, sweep.stop, sweep.step
    assert low is not None and stop is not None
    if step <= 0 or low >= stop:
        raise ConfigError(
            f"{key} ({source}) must have start < stop and step > 0, got {written}; write range(start, stop, step)"
        )
    if all(isinstance(x, int) for x in (low, stop, step)):
        whole = int(step)
        return IntDistribution(int(low), int(low) + (int(stop) - int(low)) // whole * whole, step=whole)
    steps = math.floor((stop - low) / step + 1e-9)
    if steps == 0:
        return CategoricalDistribution([float(low)])
    return FloatDistribution(float(low), float(f"{low + steps * step:.12g}"), step=float(step))
