"""Gradients that a person's own autograd functions give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.graph.own_functions import as_double, own_functions
from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything
from sweeper.trial.verdict import Verdict

PROBED = 12  # numbers of each argument
EPS = 1e-5  # of a central difference in double precision: about 1e-9 of the derivative is lost
OFF = 0.02  # of the largest derivative: an iterated solution gives its gradient to within its own tolerance
FLAT = 1e-6  # of it
FEW = 0.25  # of the numbers: they may lie at a kink
LARGER = 1024.0  # times the gradient that comes in: what is clipped shows


class OwnBackward(Check):
    """A ``backward`` that leaves out a factor trains all that lies before it towards something else."""

    name, rank, tip = "own_backward", 35, 19
    hypothesis = "Own autograd functions give the gradient of what they compute."
    advice = "look at backward(): the factors of the chain rule, what was saved, and the order of the gradients"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Central differences in double precision against what ``backward`` gives.

        Functions that mean another gradient are left out: those that hand on what they get, those that are flat
        where they give a gradient, as roundings with a straight-through one are, and those whose gradient is not
        proportional to the one that comes in, as a clipped or normalised one is.
        """
        calls = own_functions(subject)
        if not calls:
            raise NotApplicable("there is no autograd function of one's own")
        compared = {kind: _compared(kind, arguments) for kind, arguments in calls.items()}
        compared = {kind: arguments for kind, arguments in compared.items() if arguments}
        if not compared:
            raise NotApplicable("its gradient is another on purpose, or can't be had in double precision")
        for kind, arguments in compared.items():
            for each in arguments:
                if each.off.double().mean() > FEW:
                    worst = int((each.given - each.right).abs().argmax())
                    given, right = float(each.given[worst]), float(each.right[worst])
                    return self.failed(
                        f"{kind.__name__}.backward gives {given:.4g} for a number of argument {each.number + 1}, whose "
                        f"derivative is {right:.4g}", expected=f"the same to within {OFF:.0%}",
                        measured={"given": given, "right": right},
                    )  # fmt: skip
        return self.passed(f"{', '.join(kind.__name__ for kind in compared)}: the gradient of what is computed")


@dataclass(frozen=True)
class _Argument:
    """Derivatives by some numbers of the argument ``number``: the ``right`` ones, and those ``given``."""

    number: int
    right: Tensor
    given: Tensor

    @property
    def largest(self) -> Tensor:
        return torch.cat([self.right, self.given]).abs().max()

    @property
    def off(self) -> Tensor:
        return (self.right - self.given).abs() > OFF * self.largest

    @property
    def flat(self) -> bool:
        """Somewhere it has no effect, and is given a gradient."""
        return bool(((self.right.abs() <= FLAT * self.largest) & self.off).any())


def _compared(kind: type[Function], arguments: tuple[Any, ...]) -> list[_Argument]:
    """Of each argument with a gradient; none where another gradient is meant, or double precision is not taken."""
    wanted = [i for i, a in enumerate(arguments) if isinstance(a, Tensor) and a.requires_grad]
    try:
        if any(torch.equal(output, arguments[i]) for output in _outputs(kind, arguments) for i in wanted):
            return []
        leaves = tuple(as_double(a) if isinstance(a, Tensor) else a for a in arguments)
        gradients = _gradients(kind, leaves, wanted)
        if not _proportional(gradients, _gradients(kind, leaves, wanted, LARGER)):
            return []
        found = [_argument(kind, arguments, i, given) for i, given in zip(wanted, gradients, strict=True)]
    except Exception:
        return []
    return [] if any(each.flat for each in found) else found


def _gradients(
    kind: type[Function], leaves: tuple[Any, ...], wanted: list[int], scale: float = 1.0
) -> tuple[Tensor | None, ...]:
    total = scale * _total(kind, leaves)
    return torch.autograd.grad(total, [leaves[i] for i in wanted], allow_unused=True)


def _proportional(once: tuple[Tensor | None, ...], larger: tuple[Tensor | None, ...]) -> bool:
    """A derivative's ``backward`` is linear in the gradient that comes in."""
    pairs = [(a, b) for a, b in zip(once, larger, strict=True) if a is not None and b is not None]
    return all(float((b / LARGER - a).norm()) <= OFF * float(a.norm()) for a, b in pairs)


def _argument(kind: type[Function], arguments: tuple[Any, ...], number: int, given: Tensor | None) -> _Argument:
    values: Tensor = arguments[number].detach()
    rows = torch.randperm(values.numel(), generator=torch.Generator().manual_seed(0))[:PROBED]
    right = []
    for row in rows:
        ends = []
        for step in (EPS, -EPS):
            moved = values.clone().reshape(-1)
            moved[row] += step
            moved = moved.reshape(values.shape).requires_grad_(True)
            ends.append(float(_total(kind, (*arguments[:number], moved, *arguments[number + 1 :]))))
        right.append((ends[0] - ends[1]) / (2 * EPS))
    all_given = torch.zeros_like(values) if given is None else given
    return _Argument(
        number, torch.tensor(right, dtype=torch.float64), all_given.reshape(-1)[rows.to(values.device)].cpu()
    )


def _total(kind: type[Function], arguments: tuple[Any, ...]) -> Tensor:
    """A sum of the outputs with random weights, the same in each call."""
    parts = []
    for output in _outputs(kind, arguments):
        weights = torch.randn(output.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        parts.append((output * weights.to(output.device)).sum())
    return torch.stack(parts).sum()


def _outputs(kind: type[Function], arguments: tuple[Any, ...]) -> list[Tensor]:
    seed_everything(0, kind.__name__)
    found = kind.apply(*(a.clone() if isinstance(a, Tensor) else a for a in arguments))  # type: ignore[no-untyped-call]
    every = found if isinstance(found, tuple) else (found,)
    return [output for output in every if isinstance(output, Tensor) and output.is_floating_point()]
