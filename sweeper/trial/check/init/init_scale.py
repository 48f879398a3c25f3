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
OTHER = 2.0  # times: far from what such weights alone would do
UNDONE = 0.05  # of the outputs: a norm's eps


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
        if bad:
            bad = {n: g for n, g in bad.items() if not _harmless(subject, n, g, n == last)}
        gains |= own
        bad |= {n: g for n, g in own.items() if g > LARGE}
        low, high = min(gains.values()), max(gains.values())
        words = f"gains from {low:.3g} to {high:.3g}" + "".join(f", {n} has {g:.3g}" for n, g in list(bad.items())[:3])
        return self.judged(
            not bad, words, expected=f"{SMALL:g} to {LARGE:g} (the last layer may be smaller)",
            measured={"least": low, "most": high}, pictures=(bars(gains, "Gain of each layer at the start", y="gain"),),
        )  # fmt: skip


def _harmless(subject: Subject, name: str, gain: float, last: bool) -> bool:
    """The layer is frozen, or its size has no effect on what comes after it.

    A norm after it undoes the size, or the model multiplies weights, or outputs, by a factor of its own, or (of a
    small one) no other layer takes its outputs: it is one of several heads.
    """
    layer: Any = subject.model.get_submodule(name)
    if not layer.weight.requires_grad:
        return True
    with torch.no_grad(), subject.untouched():
        before, entered, left = _signals(subject, layer)
        left = before if last else left
        size = _size(left if gain > LARGE else left - left.mean(0)) / max(_size(entered), 1e-30)
        if size <= min(LARGE, gain / OTHER) if gain > LARGE else size >= max(SMALL, gain * OTHER):
            return True
        layer.weight.div_(gain)
        after, _, _ = _signals(subject, layer)
        apart, apart_after = (outputs - outputs.mean(0) for outputs in (before, after))
        if float((apart_after - apart).norm()) <= UNDONE * float(apart.norm()):
            return True
        layer.weight.mul_(gain)
        return gain < SMALL and not _entered_elsewhere(subject, layer)


def _size(signal: torch.Tensor) -> float:
    return float(signal.double().square().mean().sqrt())


def _signals(subject: Subject, layer: nn.Module) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The model's outputs, and what enters and leaves the layer."""
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda _, args, result: seen.extend((args[0], result)))
    outputs = subject.outputs(subject.batch.inputs, training=True)
    handle.remove()
    return outputs, seen[0], seen[1]


def _entered_elsewhere(subject: Subject, layer: nn.Module) -> bool:
    """Zeros in place of the layer's outputs change what enters some other module with weights."""
    entered: list[torch.Tensor] = []
    handles = [
        m.register_forward_pre_hook(lambda _, args: entered.extend(a.clone() for a in args[:1]))
        for m in subject.model.modules() if m is not layer and m._parameters
    ]  # fmt: skip
    subject.outputs(subject.batch.inputs)
    count = len(entered)
    handles.append(layer.register_forward_hook(lambda _, args, result: torch.zeros_like(result)))
    subject.outputs(subject.batch.inputs)
    for handle in handles:
        handle.remove()
    pairs = zip(entered[:count], entered[count:], strict=False)
    return len(entered) != 2 * count or any(not torch.equal(a, b) for a, b in pairs)


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
