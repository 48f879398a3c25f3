"""Models that keep what earlier batches gave."""

from __future__ import annotations

import torch

from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything

WORDS = "the model keeps what earlier batches gave, such as a queue: the loss of one batch and the same weights changes"


def remembers(subject: Subject) -> bool:
    """Two forward passes in training mode give other losses with the same weights, batch and seed."""
    losses = []
    with subject.untouched(), torch.no_grad():
        for _ in range(2):
            seed_everything(subject.seed, "memory")
            losses.append(float(subject.batch_loss(subject.batch, training=True)))
    return losses[0] != losses[1]
