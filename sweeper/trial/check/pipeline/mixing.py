"""Which examples of a batch were mixed, and in what shares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PROBED = 2048  # numbers of an example
EXACT = 1e-3  # of an example's distance to the others: single precision, and half
MOST = 0.9  # of the examples are explained


@dataclass(frozen=True)
class Mixing:
    """Example i is ``share[i]`` of itself and the rest of example ``other[i]``; (examples,) each."""

    other: Tensor
    share: Tensor

    def mixed(self, own: Tensor, *, swapped: bool = False) -> Tensor:
        """Rows that go with the examples mixed in the same shares, or in those of each other."""
        share = (1 - self.share if swapped else self.share).to(own).reshape(-1, *[1] * (own.ndim - 1))
        return share * own + (1 - share) * own[self.other.to(own.device)]


def mixing(before: Tensor, after: Tensor) -> Mixing | None:
    """How ``after`` was made of ``before``, as mixup or CutMix do; None if it was not, or not by that alone."""
    if before.shape != after.shape or not before.is_floating_point() or len(before) < 4:
        return None
    x, mixed = (t.detach().flatten(1).double().cpu() for t in (before, after))
    rows = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(0))[:PROBED]
    some, some_mixed = x[:, rows], mixed[:, rows]
    if torch.allclose(some, some_mixed):
        return None
    found = _blended(some, some_mixed) or _pasted(before, after, some, some_mixed)
    scaled = found is not None and len(set(found.other.tolist())) < len(x) / 4  # towards a blank one among them
    return None if scaled else found


def _blended(x: Tensor, mixed: Tensor) -> Mixing | None:
    """The point on the way to another example that lies nearest, for each of the others."""
    apart = torch.cdist(x, x).square()
    change = mixed - x  # along x[j] - x[i]
    along = change @ x.T - (change * x).sum(1, keepdim=True)
    way = torch.where(apart > 0, along / apart.clamp(min=1e-30), torch.zeros(()).double())
    left = change.square().sum(1, keepdim=True) - way * along  # squared distance from the line
    left = torch.where((way >= -EXACT) & (way <= 1 + EXACT), left, torch.full_like(left, float("inf")))
    least, other = left.min(1)
    exact = least.clamp(min=0).sqrt() <= EXACT * apart.max(1).values.sqrt()
    if exact.double().mean() < MOST:
        return None
    return Mixing(other, (1 - way.gather(1, other[:, None])[:, 0]).clamp(0, 1))


def _pasted(before: Tensor, after: Tensor, x: Tensor, mixed: Tensor) -> Mixing | None:
    """The other example that has what is new; its share is that of the box around all that changed."""
    if before.ndim != 4:
        return None
    changed = mixed != x
    as_there = torch.stack([((mixed == other) | ~changed).double().mean(1) for other in x], 1)
    as_there.fill_diagonal_(0.0)  # it has what has not changed
    best, other = as_there.max(1)
    if (best > 1 - EXACT).double().mean() < MOST or len(set(mixed[changed].tolist())) < len(x) / 4:  # erased
        return None
    there = (before.cpu() != after.cpu()).any(0).any(0)
    tall, wide = (there.any(axis).nonzero()[:, 0] for axis in (1, 0))
    share = float((tall[-1] - tall[0] + 1) * (wide[-1] - wide[0] + 1)) / there.numel()
    return Mixing(other, torch.full((len(x),), 1 - share, dtype=torch.float64))
