"""Positions that tell places apart."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

# a module, parameter or buffer that is there to say where a token is; no pos_weight, no pose
NAMED = re.compile(
    r"(^|[._])(pe|pos|positions?|positional)(_?(enc|emb)\w*|_?table|s)?$|positional_?enc|pos_?(enc|emb)", re.IGNORECASE
)
SAME = 1e-4  # of how far examples are apart: sums in another order
SIZE = 0.5


class PositionsUsed(Check):
    """One encoding for all places, or one that is not added: attention then takes a sentence as a bag of words."""

    name, rank, tip = "positions_used", 96, 19
    hypothesis = "A model that has positions gives another answer for another order."
    advice = (
        "add one encoding a position: x + pe[:, :x.shape[1]], with a slice; look at a row of the table for each place"
    )
    needs = ("model_runs", "dropout_in_eval", "independent_examples", "unused_parameters")

    def measure(self, subject: Subject) -> Verdict:
        """Outputs of the tokens of each example in another order, against those in theirs."""
        names = [name for name in _names(subject.model) if NAMED.search(name)]
        if not names:
            raise NotApplicable("nothing in the model is named as positions are")
        inputs = subject.batch.first(16).inputs
        values = main(inputs)
        if values.is_floating_point() and not any(
            NAMED.search(name.rpartition(".")[2]) for name in _tables(subject.model)
        ):
            raise NotApplicable("no table of positions is in the model: those of points in a set may be meant")
        if values.ndim not in (2, 3) or (values.ndim == 2 and values.is_floating_point()) or values.shape[1] < 3:
            raise NotApplicable("inputs are no sequences")
        if any(t.ndim > 1 and t is not values for t in _others(inputs, values)):
            raise NotApplicable("more than the tokens goes by their positions")
        with torch.no_grad():
            torch.manual_seed(0)
            for parameter in subject.model.parameters():  # positions that are learnt may start at 0
                parameter.add_(SIZE * parameter.std(correction=0) * torch.randn_like(parameter))
            for name, parameter in subject.model.named_parameters():
                if NAMED.search(name.rpartition(".")[0]) or NAMED.search(name):
                    parameter.add_(SIZE * torch.randn_like(parameter))
            order = torch.randperm(values.shape[1], generator=torch.Generator().manual_seed(0)).to(values.device)
            before = subject.outputs(inputs)
            after = subject.outputs(replace(inputs, number_of(inputs, values), values[:, order]))
        if before.ndim >= 3 and before.shape[1] == values.shape[1]:
            before = before[:, order]  # an answer a token goes where its token goes
        apart = float((before - before.mean(0)).abs().max())
        if not apart > 1e-6 * float(before.abs().max()):
            raise NotApplicable("the outputs are alike for all examples")
        moved = float((after - before).abs().max()) / apart
        return self.judged(
            moved > SAME,
            f"the model has {names[0]}, and another order of the tokens moves its outputs by {moved:.2g} of their size",
            expected=f"more than {SAME:g}",
            measured={"moved": moved},
        )


def _tables(model: nn.Module) -> list[str]:
    return [name for name, t in [*model.named_parameters(), *model.named_buffers()] if t.ndim >= 2]


def _names(model: nn.Module) -> list[str]:
    own = [name for name, _ in [*model.named_modules(), *model.named_parameters(), *model.named_buffers()]]
    kinds = [type(module).__name__ for module in model.modules() if "Position" in type(module).__name__]
    return [*own, *kinds]


def _others(inputs: object, values: Tensor) -> list[Tensor]:
    parts = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, (tuple, list)) else [inputs]
    return [part for part in parts if isinstance(part, Tensor)]
