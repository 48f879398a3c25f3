"""How unusual each example is, in each statistic and as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweeper.trial.data.examples import Array
from sweeper.trial.inspect.neighbours import Floats, neighbours

MARKED = 8.0  # robust deviations: one in 10^15 of a normal distribution, so that tails must be heavy to be marked
DIMS = 32


@dataclass(frozen=True)
class Outliers:
    """``score``: the greatest distance from the median in robust deviations, ``by`` which statistic; ``marked``."""

    score: npt.NDArray[np.float64]
    by: Array
    marked: npt.NDArray[np.bool_]


def outliers(statistics: Mapping[str, Array], rows: Floats) -> Outliers:
    """The score over all statistics and the distance to the nearest examples, which is no statistic of one alone."""
    scores = {name: robust(values) for name, values in statistics.items() if values.dtype.kind in "fiu"}
    scores["distance from others"] = np.maximum(robust(_apart(rows)), 0)
    names, table = list(scores), np.abs(np.stack(list(scores.values())))
    worst = table.argmax(0)
    score = table.max(0)
    return Outliers(score, np.array(names, dtype=np.str_)[worst], score > MARKED)


def robust(values: Array) -> npt.NDArray[np.float64]:
    """Deviations from the median in units of the quartiles' (1 for a normal distribution); 0 where none spread.

    Where all values are positive and skewed, of their logarithms: a price's tail is not an error.
    """
    numbers = values.astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    if len(known) == 0:
        return np.zeros(len(numbers))
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    if known.min() > 0 and high - middle > 1.2 * (middle - low):
        return robust_of(np.log(np.maximum(numbers, 1e-300)))
    return robust_of(numbers)


def robust_of(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same, without the logarithm."""
    known = numbers[np.isfinite(numbers)]
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    # half the standard deviation at least: quartiles say nothing where most values are one, as a darkest pixel is
    spread = max((high - low) / 1.349, float(known.std()) / 2)
    if spread == 0:
        return np.zeros(len(numbers))
    deviations = (numbers - middle) / spread
    return np.asarray(np.nan_to_num(deviations, nan=0.0, posinf=1e9, neginf=-1e9), np.float64)


def _apart(rows: Floats) -> npt.NDArray[np.float64]:
    """(examples,) the distance to the fifth neighbour, among the principal components."""
    if len(rows) < 8:
        return np.zeros(len(rows))
    sample = rows[:: max(1, len(rows) // 20_000)]
    values, axes = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    narrow = rows @ np.asarray(axes[:, np.argsort(values)[::-1][:DIMS]], np.float32)
    distance = neighbours(narrow, narrow, 6)[1][:, -1].astype(np.float64)
    return np.where(np.isfinite(distance), distance, np.nanmax(distance[np.isfinite(distance)], initial=0))
