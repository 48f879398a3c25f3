"""Better with inputs than without."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import Batch, main, replace, tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.labels.simple import FEWEST
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.pictures import curves
from sweeper.trial.verdict import Verdict

STEPS, SIZE = 150, 64


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
        """The loss of the last steps of 150, with inputs and with zeros."""
        if len(subject.pool) < FEWEST:
            raise NotApplicable(f"there are {len(subject.pool)} examples, fewer than {FEWEST}")
        series = {"inputs": self._losses(subject, subject.pool)}
        values = main(subject.pool.inputs)  # a mask beside them stays
        number = next(i for i, t in enumerate(tensors(subject.pool.inputs)) if t is values)
        zeros = Batch(replace(subject.pool.inputs, number, torch.zeros_like(values)), subject.pool.targets)
        series["zeros"] = self._losses(subject, zeros)
        ends = {name: torch.tensor(losses[-STEPS // 5 :], dtype=torch.float64) for name, losses in series.items()}
        gain = float(ends["zeros"].mean() - ends["inputs"].mean())
        error = float((ends["zeros"].var() / len(ends["zeros"]) + ends["inputs"].var() / len(ends["inputs"])).sqrt())
        return self.judged(
            gain > 3 * error,
            f"the loss after {STEPS} steps is {float(ends['inputs'].mean()):.4g} with inputs, "
            f"{float(ends['zeros'].mean()):.4g} with zeros",
            expected=f"more than 3 standard errors ({3 * error:.2g}) less with inputs", measured={"gain": gain},
            pictures=(curves(series, "Training with inputs and with zeros in their place", y="loss"),),
        )  # fmt: skip

    def _losses(self, subject: Subject, pool: Batch) -> list[float]:
        generator = torch.Generator().manual_seed(0)
        size = min(SIZE, len(pool))
        with subject.untouched():
            return train(subject, lambda _: pool.take(torch.randperm(len(pool), generator=generator)[:size]),
                         steps=STEPS, lr=1e-3)  # fmt: skip
