"""Inputs of about unit scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sweeper.trial.check.batches import main, tensors
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import histogram
from sweeper.trial.verdict import Verdict

LARGE = 3.0  # root mean square: standardised data have 1, images in [-1, 1] or [0, 1] less
COLUMN = 10.0  # the same for one column of a table: a standardised column has 1 over the whole set
SMALL = 0.1  # largest absolute value: nothing scaled on purpose stays below
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase, nn.MultiheadAttention)
EXAMPLES = 256
OFF_CENTRE = 3.0  # mean in standard deviations: then the shift, not the content, drives the first layer


class InputScale(Check):
    """Inputs have mean near 0 and deviation near 1, or lie in [0, 1] (LeCun et al. 1998, "Efficient BackProp")."""

    name, rank, tip = "input_scale", 40, 17
    hypothesis = "Inputs are normalised, and once."
    advice = "subtract the mean of the training split and divide by its deviation, exactly once"

    def measure(self, subject: Subject) -> Verdict:
        """Mean, deviation and range over the training examples at hand."""
        raw = main(subject.pool.inputs)
        if not raw.is_floating_point() and any(
            isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in subject.model.modules()
        ):
            raise NotApplicable("inputs are tokens")
        values = raw.detach().double().cpu()
        if not bool(values.isfinite().all()):
            raise NotApplicable("finite_inputs failed")
        mean, std, rms, largest = _numbers(values)
        words = f"mean {mean:.3g}, deviation {std:.3g}, range {float(values.min()):.3g} to {float(values.max()):.3g}"
        problem = (
            _declared(values, subject.normalised) if subject.normalised else _scale(values, mean, std, rms, largest)
        )
        if problem is not None and not subject.normalised and (seen := _at_first_layer(subject)) is not None:
            numbers = _numbers(seen)
            problem = _scale(seen, *numbers)
            words += f"; the first layer sees mean {numbers[0]:.3g}, deviation {numbers[1]:.3g}"
        return self.judged(
            problem is None,
            words + (f": {problem}" if problem else ""),
            expected="mean near 0 and deviation near 1, or values in [0, 1]",
            measured={"mean": mean, "std": std, "largest": largest},
            pictures=(histogram(values[:256].numpy(), "What enters the network", x="value"),),
        )


def _numbers(values: Tensor) -> tuple[float, float, float, float]:
    """Mean, deviation, root mean square and largest absolute value."""
    rms, largest = float(values.square().mean().sqrt()), float(values.abs().max())
    return float(values.mean()), float(values.std()), rms, largest


def _at_first_layer(subject: Subject) -> Tensor | None:
    """What the first layer with weights takes in training, where the model changes the one thing that enters first."""
    raw = main(subject.pool.inputs)
    if len(tensors(subject.pool.inputs)) != 1:
        return None
    seen: list[Tensor] = []

    def saw(_: nn.Module, args: tuple[object, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            seen.append(args[0].detach().double().cpu())

    handles = [m.register_forward_pre_hook(saw) for m in subject.model.modules() if isinstance(m, LAYERS)]
    try:
        with torch.no_grad():
            subject.forward(subject.pool.first(EXAMPLES).inputs, training=True)
    except Exception:  # model_runs says so
        return None
    finally:
        for handle in handles:
            handle.remove()
    if not seen or not bool(seen[0].isfinite().all()):
        return None
    before = raw[:EXAMPLES].detach().double().cpu()
    same = seen[0].numel() == before.numel() and torch.equal(seen[0].flatten().sort()[0], before.flatten().sort()[0])
    return None if same else seen[0]


def _scale(values: Tensor, mean: float, std: float, rms: float, largest: float) -> str | None:
    if largest == 0 or std == 0:
        return "all inputs are the same number"
    if rms > LARGE:
        return "too large, as if not normalised"
    if largest < SMALL:
        return "too small, as if divided twice"
    in_unit = float(values.min()) >= 0 and float(values.max()) <= 1
    if abs(mean) > OFF_CENTRE * std and not in_unit:
        return "far from centred, as if shifted twice"
    if values.ndim == 2:
        columns = values.square().mean(0).sqrt()
        worst = int(columns.argmax())
        if columns[worst] > COLUMN:
            return f"feature {worst} has root mean square {columns[worst]:.3g}, as if not normalised"
    return None


def _declared(values: Tensor, normalised: tuple[object, object]) -> str | None:
    """Each channel (axis 1) must have mean 0 and deviation 1 to within a half, a third or three times."""
    channels = values.transpose(0, 1).reshape(values.shape[1], -1)
    mean, std = channels.mean(1), channels.std(1)
    wanted_mean, wanted_std = (torch.as_tensor(part, dtype=torch.float64).flatten() for part in normalised)
    if not bool(((mean.abs() > 0.5) | (std > 3) | (std < 1 / 3)).any()):
        return None
    twice = ((-wanted_mean / wanted_std - mean).abs() < 0.5 / wanted_std) & ((std * wanted_std).log().abs() < 0.7)
    never = ((wanted_mean - mean).abs() < 0.5 * wanted_std) & ((std / wanted_std).log().abs() < 0.7)
    return "normalised twice" if bool(twice.all()) else "not normalised" if bool(never.all()) else "not as declared"
