"""Better with inputs than without."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import Batch, main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.pictures import curves
from sweeper.trial.verdict import Verdict

SIZE = 64
TRIES = ((60, 1e-3), (200, 1e-3), (600, 1e-3), (600, 1e-2))  # steps and rate: the first is enough for most programs,
# slow learners have ten times as many, and embeddings, of which a batch moves few, a higher rate, before it fails
ENOUGH = 3.0  # standard errors


class InputBaseline(Check):
    """If zeros in place of the inputs do as well, the network does not use them (recipe tip 14)."""

    name, rank, tip = "input_baseline", 20, 14
    hypothesis = "Training on the inputs does better than training on zeros."
    advice = "follow the inputs from the data source into the first layer: something drops or overwrites them"
    needs = (
        "model_runs", "loss_runs", "softmax_once", "loss_sign", "right_loss", "unused_parameters",
        "detached_graph", "independent_examples", "symmetric_units", "dead_units", "saturated_units",
        "gradient_flow", "labels_aligned", "overfit_batch", "input_scale", "finite_inputs", "regularizer_share",
        "loss_broadcast",
    )  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """The loss of the last steps of training, with inputs and with zeros; longer where that is close."""
        if len(subject.pool) < FEWEST:
            raise NotApplicable(f"there are {len(subject.pool)} examples, fewer than {FEWEST}")
        if not subject.supervised:
            raise NotApplicable("the loss does not look at the targets, so that answers of zeros may be right")
        values = main(subject.pool.inputs)  # a mask beside them stays
        number = number_of(subject.pool.inputs, values)
        zeros = Batch(replace(subject.pool.inputs, number, torch.zeros_like(values)), subject.pool.targets)
        for steps, lr in TRIES:
            series = {
                name: _losses(subject, pool, steps, lr) for name, pool in (("inputs", subject.pool), ("zeros", zeros))
            }
            ends = [torch.tensor(losses[-steps // 5 :], dtype=torch.float64) for losses in series.values()]
            gain = float(ends[1].mean() - ends[0].mean())
            error = float((ends[0].var() / len(ends[0]) + ends[1].var() / len(ends[1])).sqrt())
            if gain > ENOUGH * error:
                break
            if gain != gain:
                raise NotApplicable("the loss of zeros, or of the inputs, is no number")
        return self.judged(
            gain > ENOUGH * error,
            f"the loss after {steps} steps is {float(ends[0].mean()):.4g} with inputs, "
            f"{float(ends[1].mean()):.4g} with zeros",
            expected=f"more than {ENOUGH:g} standard errors ({ENOUGH * error:.2g}) less with inputs",
            measured={"gain": gain},
            pictures=(curves(series, "Training with inputs and with zeros in their place", y="loss"),),
        )  # fmt: skip


def _losses(subject: Subject, pool: Batch, steps: int, lr: float) -> list[float]:
    """Of Adam on batches drawn from ``pool``, the same rows in the same order for inputs and zeros."""
    generator = torch.Generator().manual_seed(0)
    size = min(SIZE, len(pool))
    with subject.untouched():
        return train(subject, lambda _: pool.take(torch.randperm(len(pool), generator=generator)[:size]),
                     steps=steps, lr=lr)  # fmt: skip
