"""Gradients that arrive in the first layer."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

NOTHING = 1e-18  # its square is lost in single precision
MORE = 1024  # examples
FADED = 1e-6  # of the largest: single precision has 7 digits


class GradientFlow(Check):
    """Relative gradients (root mean squares over those of the weights) of all layers are within six orders."""

    name, rank, tip = "gradient_flow", 50, 19
    hypothesis = "After a few steps the gradient of every weight is neither zero nor vanishingly small."
    advice = "use rectifiers or residual connections in place of many squashing layers, or a norm between layers"
    needs = ("model_runs", "loss_runs", "detached_graph", "unused_parameters", "symmetric_units", "init_scale",
             "dead_units", "saturated_units", "right_loss", "output_activation")  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """Root mean square of each weight's gradient after three steps of Adam."""
        train(subject, lambda _: subject.batch, steps=3, lr=1e-3)
        sizes = _sizes(subject, subject.batch)
        if 0.0 in sizes.values():  # an expert that nobody in a batch has chosen, say
            sizes = _sizes(subject, subject.pool.first(MORE))
        if not sizes:
            raise NotApplicable("there is no weight with two axes")
        most, least = max(sizes.values()), min(sizes, key=lambda name: sizes[name])
        if not NOTHING < most < float("inf"):
            return self.failed(f"the largest gradient is {most:.3g}", expected=f"finite and more than {NOTHING:g}")
        return self.judged(
            sizes[least] > FADED * most, f"gradients from {sizes[least]:.2g} ({least}) to {most:.2g}",
            expected=f"none below {FADED:g} of the largest", measured={"least": sizes[least], "most": most},
            pictures=(bars(sizes, "Root mean square of each weight's gradient", y="gradient"),),
        )  # fmt: skip


def _sizes(subject: Subject, batch: Batch) -> dict[str, float]:
    """Root mean square of the gradient of each weight with two axes."""
    subject.model.zero_grad(set_to_none=True)
    torch.autograd.backward(subject.batch_loss(batch, training=True))
    return {
        name: float(p.grad.detach().double().square().mean().sqrt())
        for name, p in subject.trainable() if p.grad is not None and p.ndim >= 2
    }  # fmt: skip
