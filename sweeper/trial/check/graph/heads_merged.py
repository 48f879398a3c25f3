"""Heads joined at each position."""

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
PASSED_ON = ("view", "_unsafe_view", "clone", "expand", "alias", "detach", "_to_copy", "transpose", "permute")


@dataclass
class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """``joined``: for each join of attention's results to (batch, time, width), whether it mixes positions."""

    softmaxes: dict[int, Tensor] = field(default_factory=dict)
    results: dict[int, Tensor] = field(default_factory=dict)
    joined: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        kind = func.overloadpacket.__name__
        if kind == "_softmax":
            self.softmaxes[_place(result)] = result  # kept, so that its memory is not another's
        elif kind.startswith("_scaled_dot_product") or (kind == "bmm" and _place(args[0]) in self.softmaxes):
            found = result[0] if isinstance(result, tuple) else result
            self.results[_place(found)] = found
        elif kind in PASSED_ON and isinstance(args[0], Tensor) and _place(args[0]) in self.results:
            if kind in ("view", "_unsafe_view") and (mixed := _mixes(args[0], result)) is not None:
                self.joined.append(mixed)
            self.results[_place(result)] = result
        return result


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _mixes(before: Tensor, after: Tensor) -> bool | None:
    """True where (…, heads, time, width) is viewed as (…, time, heads * width); None if it is no join."""
    if before.ndim != 4 or after.ndim != 3 or after.shape[0] != before.shape[0]:
        return None
    _, one, two, width = before.shape
    if one == two or one == 1 or two == 1:
        return None  # can't be told apart
    if after.shape[1:] == (one, two * width):
        return False
    return True if after.shape[1:] == (two, one * width) else None


class HeadsMerged(Check):
    """(batch, heads, time, width) viewed as (batch, time, heads * width) mixes the positions."""

    name, rank, tip = "heads_merged", 76, 20
    hypothesis = "The heads of attention are joined position by position."
    advice = "write out.transpose(1, 2).reshape(batch, time, heads * width)"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Axes of attention's results where they are viewed as one vector a position."""
        recorder = _Recorder()
        with torch.no_grad(), recorder:
            subject.forward(subject.batch.first(EXAMPLES).inputs)
        if not recorder.joined:
            raise NotApplicable("no joining of heads was seen")
        wrong = sum(recorder.joined)
        return self.judged(
            not wrong, f"{wrong} of {len(recorder.joined)} joins of heads take the time axis for that of the heads",
            expected="none", measured={"wrong": wrong},
        )  # fmt: skip
