"""Tokens that stand for the same in both splits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

FEWEST = 500  # tokens in each part that is compared
LOST = 0.7  # of what two halves of training share
RANKED = 0.9  # the same of the sorted frequencies: they are those of the same words under other numbers
MOST = 100_000  # numbers


class TokensAgree(Check):
    """A vocabulary made from each split, or one with a special token more, gives words the numbers of others."""

    name, rank, tip = "tokens_agree", 55, 3
    hypothesis = "Tokens are as frequent in validation as in training."
    advice = "make the vocabulary from training texts once, save it, and use it for all splits"

    def measure(self, subject: Subject) -> Verdict:
        """Overlap of the frequencies of tokens, and of the sorted ones, in both splits and in halves of training."""
        train, val = (main(batch.inputs).cpu() for batch in (subject.pool, subject.given_val))
        embeds = any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in subject.model.modules())
        if not embeds or train.is_floating_point() or train.dtype == torch.bool or train.ndim != 2 or val.ndim != 2:
            raise NotApplicable("inputs are not (batch, time) tokens")
        size = int(max(train.max(), val.max())) + 1
        if min(train.numel() // 2, val.numel()) < FEWEST or size > MOST or int(min(train.min(), val.min())) < 0:
            raise NotApplicable("there are too few tokens to say")
        first, second, other = (_shares(t, size) for t in (train[::2], train[1::2], val))
        within, between = _overlap(first, second), _overlap(first, other)
        ranked = _overlap(first.sort().values, other.sort().values)
        words = (
            f"tokens of validation are as frequent as in training to {between:.0%}, two halves of training to "
            f"{within:.0%}"
        )
        again = between < LOST * within and ranked > RANKED * _overlap(first.sort().values, second.sort().values)
        if again:
            words += f"; the most frequent, the second, … of each split agree to {ranked:.0%}: they have other numbers"
        return self.judged(
            not again, words, expected="about the same", measured={"within": within, "between": between},
        )  # fmt: skip


def _shares(tokens: Tensor, size: int) -> Tensor:
    counts = torch.bincount(tokens.flatten().long(), minlength=size).double()
    return counts / counts.sum()


def _overlap(a: Tensor, b: Tensor) -> float:
    return float(torch.minimum(a, b).sum())
