"""Channels where the model takes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

CHANNELS = (1, 3, 4)  # grey, colour, colour and opacity
SMOOTHER = 0.8  # of the roughness as read: natural pictures read wrongly are 1.5 to 5 times as rough


class ChannelLayout(Check):
    """Images are (batch, channels, height, width), and neighbours in them are neighbours in the picture."""

    name, rank, tip = "channel_layout", 20, 17
    hypothesis = "Images enter the first convolution as (batch, channels, height, width), with their pixels in place."
    advice = "move the axis with permute(0, 3, 1, 2); view and reshape only cut the memory anew and scramble pixels"

    def measure(self, subject: Subject) -> Verdict:
        """Look at the sizes of the axes, then at which reading of the memory gives the smoother picture."""
        images = _at_first_convolution(subject)
        if images is None:
            images = main(subject.batch.inputs)
            if images.ndim != 4 or not images.is_floating_point():
                raise NotApplicable("no images enter")
            if any(isinstance(m, nn.Linear) for m in subject.model.modules()) and _last(images):
                raise NotApplicable("the model has no convolution that could take the axes wrongly")
        shape = tuple(images.shape[1:])
        words = f"the first convolution sees {shape[0]} channels of {shape[1]}x{shape[2]}"
        if _last(images):
            return self.failed(f"{words}: the channels are the last axis", expected="the channels first")
        if shape[0] not in (2, 3, 4) or min(shape[1:]) < 4:
            return self.passed(words, expected="few channels, many rows and columns")
        count, channels, height, width = images.shape
        other = images.reshape(count, height, width, channels).permute(0, 3, 1, 2)
        ratio = _roughness(other) / max(_roughness(images), 1e-12)
        return self.judged(
            ratio > SMOOTHER,
            f"{words}; read as (height, width, channels) neighbours would differ {ratio:.2f} times as much",
            expected=f"more than {SMOOTHER} times, or the memory holds the channels last",
            measured={"roughness_ratio": ratio},
        )


def _last(images: Tensor) -> bool:
    first, *size = images.shape[1:]
    return size[-1] in CHANNELS and first not in CHANNELS and first > 4


def _at_first_convolution(subject: Subject) -> Tensor | None:
    seen: list[Tensor] = []
    handles = [
        module.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
        for module in subject.model.modules()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            subject.forward(subject.batch.first(64).inputs)
    except RuntimeError:
        pass  # a wrong layout often ends so: judge what had come in before
    finally:
        for handle in handles:
            handle.remove()
    return seen[0] if seen and seen[0].ndim == 4 else None


def _roughness(images: Tensor) -> float:
    across = (images[..., 1:] - images[..., :-1]).abs().mean()
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return float(across + down)
