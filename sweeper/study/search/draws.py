"""Draws that depend on (study seed, trial number, parameter's name) and on nothing else.

Not on parallelism, order or resumption; and adding a parameter leaves the others' draws alone, but for ``qmc``, whose
points are even because the parameters share one sequence. A finite space is drawn without replacement.
(Bergstra & Bengio 2012 for random search; Sobol' 1967 for ``qmc``.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from sweeper.study.search.parameter import Point
from sweeper.study.search.space import SearchSpace

Unit = Callable[[int, str, int], float]  # (number, key, attempt) → [0, 1)


class Plan(Protocol):
    """A sampler without memory: trial ``number``'s point, or None when the space is exhausted."""

    size: int | None  # trials until the space is exhausted; None if it never is

    def point(self, number: int) -> Point | None: ...

    def unit(self, number: int, key: str) -> float:
        """The quantile for a parameter outside the declared space (``custom_search_space``)."""
        ...


def random_unit(seed: int) -> Unit:
    """Independent uniform draws: 53 bits of BLAKE2b of (seed, number, key, attempt)."""

    def unit(number: int, key: str, attempt: int) -> float:
        digest = hashlib.blake2b(f"{seed}/{number}/{attempt}/{key}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") >> 11) * 2.0**-53

    return unit


def sobol_unit(seed: int, keys: Sequence[str]) -> Unit:
    """A scrambled Sobol' sequence: a key's place among ``keys`` is its dimension, the number the point.

    Dimensions in order, as only the first ones are even together: with those that a hash of the name picks among 512
    the discrepancy of 64 points in the plane is 6 times as large, and two names may pick one. Other keys are drawn
    independently.
    """
    from scipy.stats import qmc

    dimensions = {key: dimension for dimension, key in enumerate(keys)}
    columns: dict[str, tuple[qmc.Sobol, list[float]]] = {}
    independent = random_unit(seed)

    def unit(number: int, key: str, attempt: int) -> float:
        if attempt or key not in dimensions:  # a point of a finite space that came before has no other one here
            return independent(number, key, attempt)
        if key not in columns:
            digest = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=8).digest()
            engine = qmc.Sobol(dimensions[key] + 1, scramble=True, rng=int.from_bytes(digest, "big"))
            columns[key] = (engine, [])
        engine, drawn = columns[key]
        while len(drawn) <= number:
            drawn += engine.random(64)[:, -1].tolist()
        return drawn[number]

    return unit


class Draws:
    """Random or quasi-random points, ``repeats`` trials each; without repetition unless the space is ``extended``.

    ``custom_search_space`` extends it, by parameters that only each trial knows: the declared point may come again.
    """

    def __init__(self, space: SearchSpace, unit: Unit, *, repeats: int = 1, extended: bool = False) -> None:
        self._space = space
        self._finite = not extended
        self.size = None if extended or space.size is None else space.size * repeats
        self._unit = unit
        self._repeats = repeats
        self._points: dict[int, Point] = {}  # those whose first draw takes real values nowhere
        self._seen: set[tuple[object, ...]] = set()
        self._found = 0  # of how many points, in order, it is known which of them are in `_points`
        self._exhausted = False

    def point(self, number: int) -> Point | None:
        """A point of real values never comes twice; any other must know all before it, so these are found in order."""
        index = number // self._repeats
        point = self._draw(index, 0)
        if self._never_twice(point):
            return point
        while self._found <= index and not self._exhausted:
            self._find(self._found)
        return self._points.get(index)

    def unit(self, number: int, key: str) -> float:
        return self._unit(number // self._repeats, key, 0)

    def _draw(self, index: int, attempt: int) -> Point:
        return self._space.walk(lambda p: p.at(self._unit(index, p.key, attempt)))

    def _never_twice(self, point: Point) -> bool:
        return not self._finite or self._space.is_continuous(point)

    def _find(self, index: int) -> None:
        point, attempt = self._draw(index, 0), 0
        while not self._never_twice(point) and (identity := _identity(point)) in self._seen:
            if self._space.size is not None and len(self._seen) >= self._space.size:
                self._exhausted = True
                return
            attempt += 1
            point = self._draw(index, attempt)
        if not self._never_twice(point):
            self._seen.add(identity)
        if attempt or not self._never_twice(point):
            self._points[index] = point
        self._found += 1


def _identity(point: Point) -> tuple[object, ...]:
    return tuple((k, repr(v)) for k, v in point.items())  # 1, 1.0 and true are three, and so are 0.0 and -0.0


class Grid:
    """Every point of a finite space, in the order written, ``repeats`` trials each."""

    def __init__(self, space: SearchSpace, *, repeats: int = 1) -> None:
        self.size = None if space.size is None else space.size * repeats
        self._repeats = repeats
        self._rest: Iterator[Point] = space.points()
        self._points: list[Point] = []
        self.point(0)  # a continuous parameter is refused now, not in mid-sweep

    def point(self, number: int) -> Point | None:
        index = number // self._repeats
        self._points += islice(self._rest, index + 1 - len(self._points)) if index >= len(self._points) else []
        return self._points[index] if index < len(self._points) else None

    def unit(self, number: int, key: str) -> float:
        raise ValueError(f"{key}: a grid has no draw for it")
