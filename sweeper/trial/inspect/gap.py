"""How close is too close for chance: the limit below which two examples are near duplicates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

QUANTILES = ((0.6, 0.85), (0.5, 0.75), (0.35, 0.65), (0.2, 0.5), (0.1, 0.4), (0.05, 0.3))
FALSE_SHARE = 0.1  # of what is found, at most (Benjamini and Hochberg 1995); in fact a half, as tails are thinner


def limit(nearest: npt.NDArray[np.floating], chance: float, *, surely: float, at_most: float) -> float:
    """The share of the scale below which examples are near duplicates, within the two bounds.

    ``nearest``: each example's least distance, as a share of what neighbours are apart. Among points that fill d
    dimensions evenly the chance of a share below r goes with r^d (Levina and Bickel 2004), so that two quantiles
    say how it goes on below them: at first high ones, which near duplicates hardly reach, then lower ones of the
    examples that remain. The limit is where that is ``chance``, or lower where so few are found that a
    larger share than FALSE_SHARE would be there by chance.
    """
    known = np.sort(nearest[np.isfinite(nearest)])
    rest, found, low, share, dims = known, surely, surely, 1.0, 1.0
    for share, high_share in QUANTILES:
        if len(rest) < 8:
            return found
        low, high = np.quantile(rest, [share, high_share])
        dims = np.log(high_share / share) / max(np.log(max(high, 1e-9) / max(low, 1e-9)), 1e-3)
        found = float(np.clip(low * (chance / share) ** (1 / dims), surely, at_most))
        rest = rest[rest >= found]
    below = known[known < found]
    by_chance = share * (below / max(low, 1e-9)) ** dims * len(known)
    held = np.flatnonzero(by_chance <= FALSE_SHARE * np.arange(1, len(below) + 1))
    return max(surely, float(np.nextafter(below[held[-1]], np.inf)) if len(held) else 0.0)
