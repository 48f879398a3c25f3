"""Attention weights that sum to 1 where they are summed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

EXAMPLES = 4
NEAR = 1e-3


@dataclass
class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """``rows``: largest distance from 1 of the sums over what each product of a softmax is summed over."""

    softmaxes: dict[int, Tensor] = field(default_factory=dict)
    rows: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        kind = func.overloadpacket.__name__
        if kind == "_softmax" and isinstance(result, Tensor) and result.ndim >= 3:
            self.softmaxes[result.untyped_storage().data_ptr()] = result  # kept, so that its memory is not another's
        if kind in ("bmm", "baddbmm"):
            first, second = args[-2:]
            for weights, axis in ((first, 2), (second, 1)):
                if self._square(weights):
                    self.rows.append(float((weights.detach().sum(axis) - 1).abs().max()))
        return result

    def _square(self, weights: Tensor) -> bool:
        """A softmax of scores of positions by the same positions."""
        size = weights.shape[-1]
        return weights.untyped_storage().data_ptr() in self.softmaxes and weights.shape[-2] == size > 1


class AttentionAxis(Check):
    """Each query takes a mean of the values: its weights sum to 1 over the keys (Vaswani et al. 2017).

    A softmax over the queries, or over the heads, lets a position be read many times or not at all.
    """

    name, rank, tip = "attention_axis", 75, 20
    hypothesis = "The weights of self-attention sum to 1 over the positions that are averaged."
    advice = "take the softmax over the keys: scores of (…, queries, keys) have it over the last axis, dim=-1"
    needs = ("model_runs", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """Sums of the weights in each product of a softmax, of positions by positions, with values."""
        recorder = _Recorder()
        with torch.no_grad(), recorder:
            subject.forward(subject.batch.first(EXAMPLES).inputs)
        if not recorder.rows:
            raise NotApplicable("no product of a softmax, positions by positions, was seen")
        wrong = [off for off in recorder.rows if off > NEAR]
        return self.judged(
            not wrong, f"in {len(wrong)} of {len(recorder.rows)} products the weights of a position do not sum to 1"
            + (f" (off by up to {max(wrong):.2g})" if wrong else ""),
            expected="none", measured={"wrong": len(wrong)},
        )  # fmt: skip
