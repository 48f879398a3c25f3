"""Outputs that depend on their own example alone."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Inputs, change, main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import Picture, heatmap
from sweeper.trial.verdict import Verdict

TOLERANCE = 1e-4  # of the change in the changed examples: blocked sums differ by about 1e-6


class IndependentExamples(Check):
    """Change some examples: the outputs of the others stay (recipe tip 19)."""

    name, rank, tip = "independent_examples", 70, 19
    hypothesis = "The output of an example depends on that example alone."
    advice = (
        "look for view or reshape where permute or transpose is meant, for a softmax, mean or norm over "
        "axis 0, and for a layer that takes time first (batch_first)"
    )
    needs = ("model_runs", "dropout_in_eval", "batch_statistics")

    def measure(self, subject: Subject) -> Verdict:
        """Exchange one half of the batch for other values and compare the other half's outputs; both ways round."""
        size = min(len(subject.batch), 16)
        if size < 2:
            raise NotApplicable("the batch has one example")
        inputs = subject.batch.first(size).inputs
        with torch.no_grad():
            before = subject.outputs(inputs)
        if len(subject.first_outputs) != len(subject.batch):
            raise NotApplicable("outputs have time first")
        if len(before) != size:
            raise NotApplicable(f"outputs have {len(before)} rows for {size} examples")
        if subject.pairs:
            raise NotApplicable("outputs are a matrix of the batch's examples by themselves")
        late = torch.arange(size) >= size // 2
        leaks = [_leak(subject, inputs, before, rows) for rows in (late, ~late)]  # a recurrent net leaks one way alone
        leak, own = max(leaks, key=lambda found: found[0])
        share = leak / own if own > 0 else (1.0 if leak > 0 else 0.0)
        words = (
            f"changing half of {size} examples moves the outputs of the others by {leak:.3g}, their own by {own:.3g}"
        )
        drawn = bool(subject.facts.get("draws"))  # noise of its own for each place in the batch
        if share <= TOLERANCE and not drawn and (moved := _by_place(subject, inputs, before)) > TOLERANCE:
            return self.failed(
                f"in the opposite order the outputs of the same examples differ by {moved:.2g} of their size",
                expected="0", measured={"by_place": moved},
                advice="look for positions, weights or states that are added along axis 0: time first or batch first?",
            )  # fmt: skip
        if subject.family.axis == 0:
            words += "; the last softmax runs over the batch"
        return self.judged(
            share <= TOLERANCE, words, expected="0 for the others",
            measured={"leak": leak, "share": share}, pictures=_picture(subject, inputs),
        )  # fmt: skip


@torch.no_grad()
def _by_place(subject: Subject, inputs: Inputs, before: Tensor) -> float:
    """How far outputs move when their examples come in the opposite order, over how far examples are apart."""
    turned = subject.outputs(change(inputs, lambda t: t.flip(0))).flip(0)
    return float((turned - before).abs().max()) / max(float((before - before.mean(0)).abs().max()), 1e-12)


@torch.no_grad()
def _leak(subject: Subject, inputs: Inputs, before: Tensor, rows: Tensor) -> tuple[float, float]:
    """How far the outputs of the other examples move, and those of ``rows``, when ``rows`` are exchanged."""
    moved = (subject.outputs(change(inputs, lambda t: _exchanged(t, rows.to(t.device)))) - before).abs().cpu()
    return float(moved[~rows].max()), float(moved[rows].max())


def _exchanged(tensor: Tensor, rows: Tensor) -> Tensor:
    changed = tensor.clone()
    if tensor.is_floating_point():
        changed[rows] = tensor[rows].flip(0) * 0.5 + tensor[~rows][:1] + 0.1
    elif tensor.dtype != torch.bool and tensor.ndim > 1:
        changed[rows] = tensor[rows].flip(0).roll(1, -1)
    return changed


def _picture(subject: Subject, inputs: Inputs) -> tuple[Picture, ...]:
    """|gradient| of output i with respect to input j; a diagonal is right."""
    tensor = main(inputs)
    if not tensor.is_floating_point():
        return ()
    number = number_of(inputs, tensor)
    leaf = tensor.detach().clone().requires_grad_(True)
    outputs = subject.outputs(replace(inputs, number, leaf))
    if not outputs.requires_grad:
        return ()
    rows = []
    for i in range(min(len(outputs), 12)):
        (gradient,) = torch.autograd.grad(outputs[i].square().sum(), leaf, retain_graph=True, allow_unused=True)
        rows.append(torch.zeros(len(leaf)) if gradient is None else gradient.reshape(len(leaf), -1).abs().sum(1).cpu())
    matrix = torch.stack(rows)[:, : len(rows)].double()
    return (
        heatmap(matrix.numpy(), "Gradient of output i (row) with respect to example j (column): a diagonal is right"),
    )
