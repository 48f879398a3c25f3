"""Weight decay that makes weights smaller."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.step.observe import Seen, make_ready, two_steps
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

ALONG = 0.9  # cosine with the weights
ENOUGH = 16  # numbers in a tensor: of few, any change is along them
ROUNDING = 1e-6  # of a norm: single precision's, and a step back to a sphere is no growth


class DecayShrinks(Check):
    """A decay with the wrong sign lets weights grow by a factor a step, slowly at first."""

    name, rank, tip = "decay_shrinks", 45, 34
    hypothesis = "Where a step changes weights in proportion to themselves, it makes them smaller."
    advice = "subtract the decay: weight -= lr * decay * weight, or gradient += decay * weight"
    needs = ("model_runs", "loss_runs", "optimizer_parameters", "weights_kept", "step_direction")

    def measure(self, subject: Subject) -> Verdict:
        """What the optimizer does to weights without a gradient, and the training step beside the optimizer's own.

        A projection makes weights larger after an optimizer's step that made them smaller, and none that was undone.
        """
        sizes = [p.numel() for _, p in subject.trainable()]
        found = {"the optimizer": _largest(_optimizer_alone(subject))}
        if subject.step is not None:
            first, second = (_beside(seen, sizes) for seen in two_steps(subject))
            growth = _largest([min(a, b) for a, b in zip(first, second, strict=True)])
            found["the training step"] = growth and min(growth, _largest(_held_still(subject)))
        where, growth = max(found.items(), key=lambda each: each[1])
        words = f"{where} makes weights larger by {growth:.2g} of themselves" if growth else "it makes none larger"
        return self.judged(not growth, words, expected="none, or smaller", measured={"growth": growth})


def _largest(growths: list[float]) -> float:
    return max(growths, default=0.0)


def _optimizer_alone(subject: Subject) -> list[float]:
    """The growth of each tensor in a step with gradients of zero."""
    optimizer = subject.given_optimizer
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    with subject.untouched():
        for p in parameters:
            p.grad = torch.zeros_like(p)
        try:
            optimizer.step()
        except TypeError:
            raise NotApplicable("the optimizer asks for a closure") from None
        return [_growth(p.detach() - old, old) for p, old in zip(parameters, before, strict=True)]


def _beside(seen: Seen, sizes: list[int]) -> list[float]:
    """The growth of each tensor by all that a training step does but the optimizer's."""
    if seen.updates != 1 or seen.stepped is None:
        return [0.0] * len(sizes)
    parts = zip(*(torch.split(t, sizes) for t in (seen.weights, seen.moved, seen.stepped)), strict=True)
    return [
        _growth(moved - stepped, weights) if (weights + moved).norm() > weights.norm() * (1 + ROUNDING) else 0.0
        for weights, moved, stepped in parts
    ]


def _held_still(subject: Subject) -> list[float]:
    """The growth of each tensor in a second training step whose optimizer is undone at once."""
    optimizer = subject.given_optimizer
    parameters = [p for _, p in subject.trainable()]
    begun: list[Tensor] = []

    def before(*_: object) -> None:
        begun[:] = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def after(*_: object) -> None:
        for p, old in zip(parameters, begun, strict=True):
            p.copy_(old)

    with subject.untouched():
        make_ready(subject.model)
        subject.run_step(subject.batch)
        old = [p.detach().clone() for p in parameters]
        handles = [optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)]
        try:
            subject.run_step(subject.batch)
        finally:
            for handle in handles:
                handle.remove()
        growths = [_growth(p.detach() - weights, weights) for p, weights in zip(parameters, old, strict=True)]
        return [growth if growth > ROUNDING else 0.0 for growth in growths]


def _growth(moved: Tensor, weights: Tensor) -> float:
    """By how much of its norm a tensor was made longer, 0 where it was moved otherwise."""
    if moved.numel() < ENOUGH or not bool(moved.any()):
        return 0.0
    old, change = weights.flatten().double(), moved.flatten().double()
    return float(change.norm() / old.norm()) if float(torch.cosine_similarity(change, old, 0)) > ALONG else 0.0
