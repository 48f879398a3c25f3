"""How close is too close for chance: the limit below which two examples are near duplicates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CHANCE = 2e-3  # of an example whose nearest neighbour comes below the limit by chance


def limit(nearest: npt.NDArray[np.floating], *, surely: float, at_most: float) -> float:
    """The share of the scale that one example in 1 / CHANCE comes below by chance, within the two bounds.

    ``nearest``: each example's least distance, as a share of what neighbours are apart. Among points that fill d
    dimensions evenly the chance of a share below r goes with r^d (Levina and Bickel 2004), so that two quantiles
    say how it goes on below them: at first high ones, which near duplicates hardly reach, then lower ones of the
    examples that remain.
    """
    rest = nearest[np.isfinite(nearest)]
    found = surely
    for low_share, high_share in ((0.35, 0.65), (0.2, 0.5), (0.1, 0.4), (0.1, 0.4)):
        if len(rest) < 8:
            break
        low, high = np.quantile(rest, [low_share, high_share])
        dims = np.log(high_share / low_share) / max(np.log(max(high, 1e-9) / max(low, 1e-9)), 1e-3)
        found = float(np.clip(low * (CHANCE / low_share) ** (1 / dims), surely, at_most))
        rest = rest[rest >= found]
    return found
