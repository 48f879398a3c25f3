"""Tokens that are told apart."""

from __future__ import annotations

import torch

from sweeper.trial.check.batches import change, main, replace, tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

MOST = 512  # tokens that are tried
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
        tokens = torch.unique(values)
        tokens = tokens[torch.linspace(0, len(tokens) - 1, min(len(tokens), MOST)).round().long().to(tokens.device)]
        number = next(i for i, t in enumerate(tensors(subject.pool.inputs)) if t is values)
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
