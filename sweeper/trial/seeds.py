"""Every random number of a run follows from its seed and the name of what it is for."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch

from sweeper.errors import ConfigError


def derive(seed: int, *names: str | int) -> int:
    """A seed in [0, 2^63) for one purpose, the same on every machine and in every process."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ConfigError(f"seed must be a whole number, got {seed!r}; try seed=0")
    digest = hashlib.blake2b(repr((int(seed), *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator of its own for one purpose."""
    return torch.Generator(device).manual_seed(derive(seed, *names))


def seed_everything(seed: int, *names: str | int) -> None:
    """Seed the global generators of Python, numpy and torch, which initialisers and dropout draw from."""
    number = derive(seed, *names)
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.default_generator.manual_seed(number)  # torch.manual_seed asks every backend: 0.3 ms an epoch
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(number)
