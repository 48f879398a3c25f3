"""Units that start different."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

STEPS = 4  # a last layer that starts at zero differs after one step, the layer below after two
LENGTH = 1e-2  # of a step, as root mean square over all weights


class SymmetricUnits(Check):
    """Units with equal weights get equal gradients and stay one unit for ever."""

    name, rank, tip = "symmetric_units", 10, 11
    hypothesis = "The units of a layer are different after a few steps."
    advice = "draw the weights at random (torch's own initialisation does); constants are for biases and norms"
    needs = ("model_runs", "loss_runs", "detached_graph")

    def measure(self, subject: Subject) -> Verdict:
        """Different rows in each weight after four steps down the gradient on one batch."""
        embeddings = {id(m.weight) for m in subject.model.modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))}
        weights = [(n, p) for n, p in subject.trainable() if p.ndim >= 2 and len(p) >= 2 and id(p) not in embeddings]
        if not weights:
            raise NotApplicable("there is no weight with two rows")
        before = {name: _groups(p) for name, p in weights}
        for _ in range(STEPS):
            _step(subject)
        after = {name: _groups(p) for name, p in weights}
        alike = [name for name, p in weights if before[name] <= len(p) / 2 and after[name] <= len(p) / 2]
        named = dict(weights)
        words = ", ".join(f"{name} has {after[name]} different of {len(named[name])} units" for name in alike[:3])
        return self.judged(
            not alike, words or f"all {len(weights)} weights have units that differ", expected="all different",
            measured={"symmetric_weights": len(alike)},
        )  # fmt: skip


def _step(subject: Subject) -> None:
    """Plain descent of a fixed length: Adam would blow up gradients that are zero but for rounding."""
    parameters = [p for _, p in subject.trainable()]
    loss = subject.batch_loss(subject.batch, training=True)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    squares = [float(g.double().square().sum()) for g in gradients if g is not None]
    length = math.sqrt(sum(squares) / max(sum(g.numel() for g in gradients if g is not None), 1))
    if not 0 < length < math.inf:
        return
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                parameter.sub_(gradient, alpha=LENGTH / length)


def _groups(weight: Tensor) -> int:
    """Rows that differ by more than rounding."""
    rows = weight.detach().reshape(len(weight), -1)[:, :512].double()
    scale = max(float(rows.abs().max()), 1e-4 * LENGTH)
    return len(torch.unique((rows / scale * 1e4).round(), dim=0))
