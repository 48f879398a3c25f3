import hashlib
import random

import numpy as np
import torch

from sweeper.trial.seeds import derive, generator, seed_everything


def test_is_the_same_on_every_machine_and_in_every_version():
    digest = hashlib.blake2b(b"(3, 'order', 7)", digest_size=8).hexdigest()
    assert derive(3, "order", 7) == int(digest, 16) // 2 == 6328237207186692081


def test_names_and_seeds_give_numbers_of_their_own():
    seeds = {derive(seed, name, epoch) for seed in range(-2, 3) for name in "ab" for epoch in range(10)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_generator_repeats():
    draws = [torch.rand(3, generator=generator(0, "x")) for _ in range(2)]
    assert torch.equal(*draws)


def test_seeds_every_global_generator():
    draws = []
    for _ in range(2):
        seed_everything(1, "epoch", 2)
        draws.append((random.random(), np.random.rand(), torch.rand(()).item()))
    assert draws[0] == draws[1]
