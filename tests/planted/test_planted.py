"""A sample of the matrix that `make planted` runs whole: each check that names a plant, and some healthy programs."""

from __future__ import annotations

import plants
import pytest

plants.load_all()

SAMPLE = list({plant.names[0]: plant for plant in reversed(plants.BUGS)}.values())  # the first for each verdict
HEALTHY = (
    "config: default (digits, MLP, Adam)", "config: diabetes, linear, SGD", "config: dropout",
    "MLP with batch norm and dropout, own evaluation", "tiny: 24 examples as one batch", "binary with a sigmoid",
    "causal transformer, shift in the loss", "imbalanced, nine in ten, plain start", "L-BFGS with a closure",
    "a loss with a weight of its own, which the optimizer has", "twelve rows, linear regression",
    "missing inputs (NaN), which the model replaces and marks", "embeddings, the classes' proxies in the loss",
    "own backward on purpose: rounding, straight through", "streams whose workers share the examples",
)  # fmt: skip


def test_there_are_enough_of_each_group() -> None:
    groups = {plant.group for plant in plants.BUGS}
    assert groups == {"data", "model", "loss", "optimisation", "evaluation", "reproducibility"}
    assert len(plants.BUGS) >= 45
    assert len({plant.kind for plant in plants.HEALTHY}) >= 20
    assert set(HEALTHY) <= {plant.kind for plant in plants.HEALTHY}


@pytest.mark.parametrize("plant", SAMPLE, ids=lambda plant: plant.kind)
def test_a_planted_bug_is_named(plant: plants.Plant) -> None:
    verdict = plants.first_failure(plant, 0)
    assert verdict is not None, "not caught"
    assert verdict.check in plant.names, verdict.reason


@pytest.mark.parametrize("plant", [p for p in plants.HEALTHY if p.kind in HEALTHY], ids=lambda plant: plant.kind)
def test_a_healthy_program_raises_no_alarm(plant: plants.Plant) -> None:
    verdict = plants.first_failure(plant, 0)
    assert verdict is None, f"{verdict.check}: {verdict.reason}"
