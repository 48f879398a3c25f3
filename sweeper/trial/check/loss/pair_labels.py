"""Pairs of the same, near each other."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch, tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

EXAMPLES, FEWEST = 1024, 10  # pairs, and those with each label
SIGMAS = 4.0
NEAR = 1e-3  # of the loss
SAME = 1e-3  # of the outputs' spread: pairwise_distance adds 1e-6


class PairLabels(Check):
    """Data sets say 1 for the same, Hadsell et al. 2006 say 1 for different: then what is alike is driven apart."""

    name, rank, tip = "pair_labels", 41, 11
    hypothesis = "Of a pair of one and the same example the loss says that it belongs together."
    advice = "turn the labels round, y = 1 - y, or exchange the two terms of the loss"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """The loss of pairs of an example with itself, under the label of nearer pairs and under the other one."""
        batch = subject.pool.first(EXAMPLES)
        if len(tensors(batch.inputs)) == 3:
            return self._triplets(subject, batch)
        parts, targets = tensors(batch.inputs), batch.targets
        kinds = torch.unique(targets)
        if len(parts) != 2 or parts[0].shape != parts[1].shape or len(kinds) != 2 or targets[0].numel() != 1:
            raise NotApplicable("no pairs with one of two labels enter")
        if not isinstance(batch.inputs, (tuple, list)) or not parts[0].is_floating_point():
            raise NotApplicable("the pairs are no numbers, given one after the other")
        near, z = _nearer(parts, targets.reshape(-1), kinds)
        few = subject.batch.first(64)
        a, b = tensors(few.inputs)
        with torch.no_grad():
            plain, turned, itself = (subject.outputs(pair) for pair in ((a, b), (b, a), (a, a)))
            spread = float((plain - itself).abs().max())
            if z < SIGMAS or not _distance(plain, turned, itself, SAME * spread):
                raise NotApplicable("the outputs are no distances, or no label is that of pairs that are nearer")
            loss = [
                float(subject.loss(subject.forward((a, a)), torch.full_like(few.targets, float(kind))))
                for kind in (kinds[near], kinds[1 - near])
            ]
        words = (
            f"pairs labelled {float(kinds[near]):g} are nearer each other; of examples with themselves the loss is "
            f"{loss[0]:.3g} with that label, {loss[1]:.3g} with the other"
        )
        return self.judged(loss[0] <= loss[1] + NEAR * abs(loss[1]), words, expected="less with that label",
                           measured={"nearer": loss[0], "other": loss[1]})  # fmt: skip

    def _triplets(self, subject: Subject, batch: Batch) -> Verdict:
        """The loss where the anchor itself is in the place of the nearer part, and of the farther one."""
        first, *others = tensors(batch.inputs)
        whole = isinstance(batch.inputs, (tuple, list)) and first.is_floating_point()
        if not whole or any(other.shape != first.shape for other in others):
            raise NotApplicable("no triplets of examples enter")
        gaps = [(first - other).double().flatten(1).square().sum(1).sqrt() for other in others]
        apart = gaps[1] - gaps[0]
        near = 0 if float(apart.mean()) > 0 else 1
        few = subject.batch.first(64)
        a, *rest = tensors(few.inputs)
        with torch.no_grad():
            made = [subject.forward(tuple([a, *rest[:place], a, *rest[place + 1 :]])) for place in (near, 1 - near)]
            if abs(float(apart.mean())) < SIGMAS * float(apart.std()) / len(apart) ** 0.5 or not _embeds(made[0], near):
                raise NotApplicable("these are no triplets of which one part is nearer, embedded alike")
            loss = [float(subject.loss(raw, few.targets)) for raw in made]
        words = (
            f"part {near + 1} is nearer part 0; with part 0 itself in its place the loss is {loss[0]:.3g}, in that of "
            f"part {2 - near} {loss[1]:.3g}"
        )
        return self.judged(
            loss[0] <= loss[1] + NEAR * abs(loss[1]), words, expected="less in place of the nearer part",
            measured={"nearer": loss[0], "farther": loss[1]},
            advice="exchange positive and negative: (distance to the positive - distance to the negative + margin)",
        )  # fmt: skip


def _embeds(raw: object, near: int) -> bool:
    """The model gives three tensors, and the same for the same example in two places."""
    return (
        isinstance(raw, (tuple, list)) and len(raw) == 3 and all(isinstance(part, Tensor) for part in raw)
        and torch.equal(raw[0], raw[1 + near])
    )  # fmt: skip


def _nearer(parts: list[Tensor], targets: Tensor, kinds: Tensor) -> tuple[int, float]:
    """Which label the pairs have whose inputs are nearer each other, and by how many standard errors."""
    gaps = (parts[0] - parts[1]).double().flatten(1).square().sum(1).sqrt()
    groups = [gaps[targets == kind] for kind in kinds]
    if min(map(len, groups)) < FEWEST:
        raise NotApplicable("there are too few pairs with each label")
    error = sum(float(g.var()) / len(g) for g in groups) ** 0.5
    apart = float(groups[1].mean() - groups[0].mean())
    return (0 if apart > 0 else 1), abs(apart) / max(error, 1e-12)


def _distance(plain: Tensor, turned: Tensor, itself: Tensor, tolerance: float) -> bool:
    """The outputs are the same for (a, b) and (b, a), and all 0 (or all 1, a cosine) for (a, a)."""
    if plain.shape != turned.shape or plain[0].numel() != 1 or tolerance == 0:
        return False
    symmetric = float((plain - turned).abs().max()) <= tolerance
    return symmetric and any(float((itself - end).abs().max()) <= tolerance for end in (0.0, 1.0))
