"""Weights of a size that keeps signals at theirs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

LARGE = 4.0  # deviations grow fourfold a layer; He's is 1.4, Glorot's 1, torch's own 0.58
SMALL = 0.05  # deviations shrink twentyfold a layer; a Gaussian of 0.02 over 16 inputs has 0.08


class InitScale(Check):
    """A layer multiplies the deviation of its inputs by (weights' root mean square) * sqrt(inputs a unit).

    Glorot & Bengio 2010, He et al. 2015. The last layer may start small, and a weight of zeros is on purpose.
    """

    name, rank, tip = "init_scale", 20, 11
    hypothesis = "Each layer's weights start at a size that neither blows signals up nor lets them fade."
    advice = "use torch's own initialisation or kaiming_normal_; its deviation is about 1 / sqrt(inputs a unit)"
    needs = ("model_runs", "symmetric_units")

    def measure(self, subject: Subject) -> Verdict:
        """The gain of each linear and convolutional layer."""
        layers = [
            (name, m) for name, m in subject.model.named_modules()
            if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) and isinstance(m.weight, nn.Parameter)
        ]  # fmt: skip
        own = _own_products(subject)
        if not layers and not own:
            raise NotApplicable("there is no linear or convolutional layer")
        gains = {name: float(m.weight.detach().double().square().mean().sqrt()) * math.sqrt(m.weight[0].numel())
                 for name, m in layers}  # fmt: skip
        last = layers[-1][0] if layers else ""
        bad = {n: g for n, g in gains.items() if g > LARGE or (0 < g < SMALL and n != last)}
        gains |= own
        bad |= {n: g for n, g in own.items() if g > LARGE}
        low, high = min(gains.values()), max(gains.values())
        words = f"gains from {low:.3g} to {high:.3g}" + "".join(f", {n} has {g:.3g}" for n, g in list(bad.items())[:3])
        return self.judged(
            not bad, words, expected=f"{SMALL:g} to {LARGE:g} (the last layer may be smaller)",
            measured={"least": low, "most": high}, pictures=(bars(gains, "Gain of each layer at the start", y="gain"),),
        )  # fmt: skip


def _own_products(subject: Subject) -> dict[str, float]:
    """How far products with parameters that no layer of torch's has, as in x @ self.w, stretch what enters them."""
    layers = (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)
    known = {id(p) for m in subject.model.modules() if isinstance(m, layers) for p in m.parameters()}
    watch = _Products({p.data_ptr(): n for n, p in subject.trainable() if p.ndim == 2 and id(p) not in known})
    if watch.names:
        with torch.no_grad(), watch:
            subject.forward(subject.batch.inputs)
    return watch.gains


class _Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, names: dict[int, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names, self.gains = names, dict[str, float]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in ("mm", "addmm") and (name := self.names.get(args[-1].data_ptr())):
            size = [float(t.double().square().mean().sqrt()) for t in (args[-2], result)]
            self.gains[name] = size[1] / max(size[0], 1e-30)
        return result
