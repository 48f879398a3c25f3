"""Words that the vocabulary knows."""

from __future__ import annotations

import torch
from torch import nn

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

MOST = 0.9  # of the tokens; the background of digits' pixels is 0.8 of them
KINDS = 12  # different tokens, below which one may well be most
ENDS = 0.99  # of where padding stands
FEWEST = 1000  # tokens, to speak of shares


class TokensVary(Check):
    """A vocabulary of another spelling or case makes nearly every word the unknown one."""

    name, rank, tip = "tokens_vary", 38, 1
    hypothesis = "No single token makes up nearly all of the text."
    advice = "look at a few sentences decoded again: is the vocabulary that of this tokenizer, of this case?"

    def measure(self, subject: Subject) -> Verdict:
        """The share of the most frequent token, padding at either end left out."""
        values = main(subject.pool.inputs)
        embeds = any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in subject.model.modules())
        if not embeds or values.is_floating_point() or values.dtype == torch.bool or values.ndim != 2:
            raise NotApplicable("inputs are not (batch, time) tokens")
        tokens, counts = torch.unique(values, return_counts=True)
        if len(tokens) < KINDS or values.numel() < FEWEST:
            raise NotApplicable("there are too few tokens to say")
        inner = values[~_padding(values)]
        tokens, counts = torch.unique(inner, return_counts=True)
        share, token = float(counts.max()) / max(len(inner), 1), int(tokens[counts.argmax()])
        return self.judged(
            share < MOST,
            f"token {token} makes up {share:.0%} of the text, {len(tokens)} others the rest",
            expected=f"less than {MOST:.0%}",
            measured={"share": share},
        )


def _padding(values: torch.Tensor) -> torch.Tensor:
    """Runs of one token at an end of the rows, of a token that hardly stands elsewhere."""
    found = torch.zeros_like(values, dtype=torch.bool)
    for column, turn in ((-1, True), (0, False)):
        same = values == torch.mode(values[:, column]).values
        run = (same.flip(1) if turn else same).long().cumprod(1).bool()
        run = run.flip(1) if turn else run
        if int(run.sum()) >= ENDS * int(same.sum()):
            found |= run
    return found
