"""Tokens that are told apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import change, main, number_of, replace
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

MOST = 512  # tokens that are tried
INSIDE = 0.1  # of the examples have it between others: padding is at an end
ALIKE = 0.02  # of the tokens: one for padding and one for unknown words may be


class TokensUsed(Check):
    """Numbers beyond the vocabulary that are clamped, hashed or cut become one token."""

    name, rank, tip = "tokens_used", 95, 19
    hypothesis = "Two different tokens give two different outputs."
    advice = "make the embedding as large as the vocabulary, and look for clamp, % or min before it"
    needs = ("model_runs", "dropout_in_eval")

    def measure(self, subject: Subject) -> Verdict:
        """The outputs of one example whose every token is replaced by the same one, for each token."""
        values = main(subject.pool.inputs)
        if values.is_floating_point() or values.dtype == torch.bool or values.ndim != 2:
            raise NotApplicable("inputs are not (batch, time) tokens")
        if (lost := _padding_inside(subject, values)) is not None:
            return self.failed(
                f"token {lost[0]} is the padding_idx of an embedding, always 0 and never trained, but stands between "
                f"other tokens in {lost[1]:.0%} of the examples",
                expected="padding at the ends alone", measured={"inside": lost[1]},
                advice="give padding a number of its own, and padding_idx that number",
            )  # fmt: skip
        tokens = torch.unique(values)
        tokens = tokens[torch.linspace(0, len(tokens) - 1, min(len(tokens), MOST)).round().long().to(tokens.device)]
        number = number_of(subject.pool.inputs, values)
        first = change(subject.pool.first(1).inputs, lambda t: t.expand(len(tokens), *t.shape[1:]).clone())
        with torch.no_grad():
            outputs = subject.outputs(replace(first, number, tokens[:, None].expand(-1, values.shape[1]).clone()))
        different = len(torch.unique(outputs.reshape(len(tokens), -1), dim=0))
        if different == 1:
            raise NotApplicable("no token has an effect; see the other checks")
        alike = len(tokens) - different
        return self.judged(
            alike <= max(2, ALIKE * len(tokens)), f"{len(tokens)} tokens give {different} different outputs",
            expected="as many", measured={"alike": alike},
        )  # fmt: skip


def _padding_inside(subject: Subject, values: Tensor) -> tuple[int, float] | None:
    """The padding_idx of an embedding and the share of examples where it has other tokens on both sides."""
    for module in subject.model.modules():
        if isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and module.padding_idx is not None:
            other = (values != module.padding_idx).long()
            inside = (other == 0) & (other.cumsum(1) > 0) & (other.flip(1).cumsum(1).flip(1) > 0)
            share = float(inside.any(1).double().mean())
            if share > INSIDE:
                return int(module.padding_idx), share
    return None
