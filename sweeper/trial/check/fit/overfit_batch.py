"""One batch, to the lowest loss that can be reached."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch, change, flat
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import towards
from sweeper.trial.check.memory import WORDS, remembers
from sweeper.trial.check.outputs import CLASSES, EMBEDDING, RAW, VALUES, tensors_of
from sweeper.trial.check.subject import Subject, train
from sweeper.trial.pictures import Picture, curves, table
from sweeper.trial.verdict import Verdict

RATES = (3e-3, 1e-2, 1e-3)
FREE_RATE = 0.05
STEPS = 1000  # at most; a net without a bug is there after about 50
REACHED = 0.1  # of the first loss, above the lowest: learnt by heart for the most part

UNKNOWN = 0.5  # the same where examples are compared: of several in one class none can be the only nearest


class OverfitBatch(Check):
    """A network that can't learn a few examples by heart has a bug, or no capacity (recipe tip 15)."""

    name, rank, tip = "overfit_batch", 10, 15
    hypothesis = "A few examples are learnt by heart."
    advice = (
        "something between input and loss does not learn: look at the gradient of each layer and at the "
        "labels side by side"
    )
    needs = (
        "model_runs", "loss_runs", "softmax_once", "loss_sign", "right_loss", "unused_parameters",
        "detached_graph", "independent_examples", "input_used", "symmetric_units", "dead_units", "saturated_units",
        "gradient_flow", "init_scale", "input_scale", "output_activation", "loss_broadcast", "loss_mean",
        "regularizer_share", "inputs_vary", "finite_inputs", "dropout_in_eval",
    )  # fmt: skip

    def measure(self, subject: Subject) -> Verdict:
        """Adam on a few different examples, dropout off; the best of three rates."""
        if subject.facts.get("draws"):
            raise NotApplicable("the model draws its own targets, which are others each time")
        batch = _few(subject)
        if len(batch) < 2:
            raise NotApplicable("there are not two different examples")
        most = UNKNOWN if subject.kind.name == EMBEDDING else REACHED
        best: list[float] = []
        floor, start = 0.0, 0.0
        for rate in RATES:
            with subject.untouched():
                floor = _floor(subject, batch)
                start = float(subject.batch_loss(batch, training=True).detach())
                there = floor + most / 3 * max(start - floor, 0.0)
                losses = train(subject, lambda _: batch, steps=STEPS, lr=rate, stop_below=there)
                with torch.no_grad():
                    outputs = [subject.forward(batch.inputs, training=mode) for mode in (True, False)]
                    finals = [float(subject.loss(raw, batch.targets)) for raw in outputs]
            losses.append(min(finals))
            if not best or losses[-1] < best[-1]:
                best, shown = losses, outputs[finals.index(min(finals))]
            start = best[0]
            if best[-1] - floor <= most * (start - floor):
                break
        share = (best[-1] - floor) / max(start - floor, 1e-12)
        if share > most and best[-1] - floor >= 1e-3:
            if remembers(subject):
                raise NotApplicable(WORDS)
            floor = max(floor, _by_descent(subject, batch))
            share = (best[-1] - floor) / max(start - floor, 1e-12)
        return self.judged(
            share <= most or best[-1] - floor < 1e-3,
            f"the loss of {len(batch)} examples goes from {start:.4g} to {best[-1]:.4g} in {len(best) - 1} steps, "
            f"{share:.1%} of the way is left",
            expected=f"at most {most:.0%}", measured={"first": start, "last": best[-1]},
            pictures=(
                curves({"loss": best}, "Loss on the few examples", y="loss"), *_side_by_side(subject, batch, shown)
            ),
        )  # fmt: skip


def _few(subject: Subject) -> Batch:
    """Up to 16 examples with inputs that differ, as many as a linear map of the inputs can tell apart at most."""
    x = flat(subject.batch.inputs)
    first: dict[bytes, int] = {}
    for number, row in enumerate(x):
        first.setdefault(row.numpy().tobytes(), number)
    most = max(2, min(16, x.shape[1] // 2 if subject.kind.name == VALUES else 16))
    return subject.batch.take(torch.tensor(list(first.values())[:most]))


def _floor(subject: Subject, batch: Batch) -> float:
    """The loss of the right answer itself: 0, or the entropy that label smoothing leaves."""
    if not subject.plain_loss or subject.kind.name == EMBEDDING:
        return 0.0
    try:
        outputs = subject.first_outputs.detach()[: len(batch)]
        if subject.kind.name == VALUES:
            answers = [batch.targets.reshape(outputs.shape).to(outputs)]
        else:
            answers = [towards(subject, batch, outputs, s) for s in (2.0, 3.0, 4.0, 6.0, 9.0, 20.0)]
        losses = [float(subject.loss(a, batch.targets)) for a in answers]
        return max(min((loss for loss in losses if math.isfinite(loss)), default=0.0), 0.0)
    except (NotApplicable, RuntimeError, ValueError):
        return 0.0


def _by_descent(subject: Subject, batch: Batch) -> float:
    """The lowest loss that Adam finds for outputs that may be any numbers: counts, say, leave a likelihood above 0.

    0 where the network's last operation bounds them, and of classes and comparisons, whose right answers cost about 0.
    """
    if subject.kind.name != VALUES or not subject.supervised:
        return 0.0
    raw = subject.forward(batch.inputs, training=True)
    parts = tensors_of(raw)
    if subject.family.name != RAW or not isinstance(raw, (Tensor, tuple, list, dict)):
        return 0.0
    leaves = [part.detach().clone().requires_grad_(part.is_floating_point()) for part in parts]
    optimizer = torch.optim.Adam([leaf for leaf in leaves if leaf.requires_grad], lr=FREE_RATE)
    lowest = float("inf")
    for _ in range(STEPS):
        loss = subject.loss(_with(raw, leaves), batch.targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        lowest = min(lowest, float(loss.detach()))
    return lowest if math.isfinite(lowest) else 0.0


def _with(raw: Any, parts: list[Tensor]) -> Any:
    """What a model returns, with ``parts`` in place of its tensors."""
    following = iter(parts)
    return change(raw, lambda _: next(following))


def _side_by_side(subject: Subject, batch: Batch, raw: object) -> tuple[Picture, ...]:
    if not isinstance(raw, Tensor) or raw.ndim != 2 or batch.targets.ndim != 1:
        return ()
    answers = raw.argmax(1) if subject.kind.name == CLASSES else raw[:, 0]
    rows = [[f"{float(t):g}", f"{float(a):.3g}"] for t, a in zip(batch.targets, answers, strict=True)]
    return (table(["label", "prediction"], rows, "Labels and predictions side by side"),)
