"""Evaluation without chance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sweeper.trial.check.batches import Inputs
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.outputs import tensor_of
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

_NORMAL = ("randn", "randn_like", "normal", "normal_")
_PRODUCTS = ("mul", "mul_", "__mul__", "__rmul__", "multiply", "addcmul")


class DropoutInEval(Check):
    """In evaluation mode the same inputs give the same outputs."""

    name, rank, tip = "dropout_in_eval", 50, 10
    hypothesis = "Evaluation mode switches off dropout and noise."
    advice = "use nn.Dropout, or F.dropout(x, p, training=self.training)"
    needs = ("model_runs",)

    def measure(self, subject: Subject) -> Verdict:
        """Two forward passes in evaluation mode with other random numbers."""
        models = {"": subject.model} | (
            {" with the regularizers": subject.regularized_model} if subject.regularized_model is not None else {}
        )
        worst, where = 0.0, ""
        for name, model in models.items():
            if (change := _difference(model, subject.batch.inputs)) > worst:
                worst, where = change, name
        if worst > 0 and not where and (reason := _draws_by_design(subject)):
            subject.facts["draws"] = True  # the same ones in each evaluation from here on
            raise NotApplicable(reason)
        return self.judged(
            worst == 0, f"two evaluations of one batch{where} differ by {worst:.3g}", expected="0",
            measured={"difference": worst},
        )  # fmt: skip


def _draws_by_design(subject: Subject) -> str | None:
    """Why a model may draw in evaluation as well."""
    if not subject.supervised:
        return "the loss does not look at the targets: the model draws its own"
    with _Noise() as noise:
        subject.forward(subject.batch.inputs)
    return "the model draws with a spread that it has learned" if noise.scaled else None


class _Noise(TorchFunctionMode):
    """Whether normal numbers are drawn, and multiplied by what has a gradient, as in a variational model."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []
        self.scaled = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in _NORMAL and isinstance(result, Tensor) and not result.requires_grad:
            self.drawn.append(result)
        elif name in _PRODUCTS:
            tensors = [a for a in args if isinstance(a, Tensor)]
            noise = any(a is d for a in tensors for d in self.drawn)
            self.scaled = self.scaled or (noise and any(a.requires_grad for a in tensors))
        return result


@torch.no_grad()
def _difference(model: nn.Module, inputs: Inputs) -> float:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    outputs = []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        raw = (
            model(**inputs)
            if isinstance(inputs, dict)
            else model(*inputs)
            if isinstance(inputs, tuple)
            else model(inputs)
        )
        found = tensor_of(raw)
        outputs.append(found if found is not None else torch.zeros(1))
    for module, mode in modes:
        module.training = mode
    return float(max((outputs[0] - other).abs().max() for other in outputs[1:]))
