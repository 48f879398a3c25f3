"""Masks that lie on their pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.inputs.labels_in_range import IGNORE
from sweeper.trial.check.labels.labels_aligned import own_model
from sweeper.trial.check.labels.simple import FEWEST, SIGMAS
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

MOST = 128  # pictures
LARGEST = 64  # pixels a side: larger ones are looked at in steps
CLASSES = 8  # of a mask, the most frequent ones
TURNED = 1.5  # times the variance that masks explain as they are, and
GAIN = 0.05  # of the variance more
BETTER, GOOD, SHARE = 0.2, 0.3, 0.2  # correlations of single pictures, and the share of pictures
TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored": lambda t: t.flip(3),
    "upside down": lambda t: t.flip(2),
    "turned by half": lambda t: t.flip(2, 3),
    "with rows and columns exchanged": lambda t: t.transpose(2, 3),
    "turned by a quarter": lambda t: t.rot90(1, (2, 3)),
    "turned by a quarter, the other way": lambda t: t.rot90(-1, (2, 3)),
}
KEEP = ("mirrored", "upside down", "turned by half")  # these leave the shape


class MasksAligned(Check):
    """A picture that is flipped without its mask, a mask read as (width, height), or that of another picture."""

    name, rank, tip = "masks_aligned", 12, 3
    hypothesis = "Each picture's own mask, as it is, fits it best."
    advice = "turn, crop and sort pictures and masks together; arrays are (height, width), sizes often (width, height)"
    needs = ("finite_inputs", "labels_in_range", "inputs_vary", "model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """Brightness and its local means regressed on the mask of a pixel: as it is, turned, and of other pictures."""
        pictures, masks = _dense(subject)
        x = _local(pictures)
        explained = _explained(x, masks)
        others = torch.tensor([_explained(x, masks.roll(by, 0)) for by in range(1, 13)], dtype=torch.float64)
        square = masks.shape[2] == masks.shape[3]
        turned = {name: _explained(x, turn(masks)) for name, turn in TURNS.items() if square or name in KEEP}
        best = max(turned, key=lambda name: turned[name])
        words = f"a simple model of a pixel explains {explained:.1%} of the masks"
        measured = {"explained": explained, "others": float(others.mean())}
        if turned[best] > TURNED * explained + GAIN:
            return self.failed(f"{words}, {turned[best]:.1%} of masks {best}", expected="most of masks as they are",
                               measured=measured)  # fmt: skip
        for name in KEEP:
            share = _better(x, masks, TURNS[name])
            if share > SHARE:
                return self.failed(
                    f"{words}; {share:.0%} of the pictures fit their mask far better {name}",
                    expected=f"at most {SHARE:.0%}", measured=measured | {"share": share},
                )  # fmt: skip
        z = (explained - float(others.mean())) / max(float(others.std()), 1e-9)
        words += f", {float(others.mean()):.1%} ± {float(others.std()):.1%} of other pictures' masks"
        if z > SIGMAS:
            return self.passed(words, expected="more of their own", measured=measured)
        own = own_model(subject)
        if own > SIGMAS:
            return self.passed(f"{words}; the model itself predicts new ones {own:.1f} deviations above chance",
                               expected="more of their own", measured=measured)  # fmt: skip
        return self.failed(words, expected=f"more of their own, by {SIGMAS:g} deviations", measured=measured)


def _dense(subject: Subject) -> tuple[Tensor, Tensor]:
    """Pictures (n, channels, height, width) and masks (n, classes, height, width); NotApplicable if there are none."""
    batch = subject.pool.first(MOST)
    pictures, targets = main(batch.inputs).detach().float().cpu(), batch.targets.detach().cpu()
    if pictures.ndim != 4 or len(pictures) < FEWEST or targets.shape[-2:] != pictures.shape[-2:] or targets.ndim < 3:
        raise NotApplicable("targets are no masks of the pictures that enter")
    steps = [max(1, -(-size // LARGEST)) for size in pictures.shape[-2:]]
    pictures, targets = pictures[..., :: steps[0], :: steps[1]], targets[..., :: steps[0], :: steps[1]]
    if targets.ndim == 3 and not targets.is_floating_point():
        kinds, counts = torch.unique(targets[targets != IGNORE], return_counts=True)
        kinds = kinds[counts.argsort(descending=True)][:CLASSES]
        masks = torch.stack([targets == kind for kind in kinds], 1).double()
    else:
        masks = (targets[:, None] if targets.ndim == 3 else targets).double().nan_to_num()
    masks = masks.flatten(1, -3)[:, :CLASSES]
    if float(masks.var()) == 0:
        raise NotApplicable("the masks do not vary")
    return pictures.double(), masks


def _local(pictures: Tensor) -> Tensor:
    """(n, pixels, features): each pixel, its surroundings' means, squares of both, and a one."""
    wide = F.avg_pool2d(pictures, 5, 1, 2, count_include_pad=False)
    found = torch.cat([pictures, wide, pictures.square(), wide.square(), torch.ones_like(pictures[:, :1])], 1)
    return found.flatten(2).transpose(1, 2)


def _fit(x: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions of the masks, and the masks, (n, pixels, classes) with the mean of each place taken off."""
    y = masks - masks.mean(0)  # where things usually are is no sign of this picture's
    y = y.flatten(2).transpose(1, 2)
    rows = (x - x.mean(0)).flatten(0, 1)
    gram = rows.T @ rows
    gram.diagonal().add_(1e-6 * gram.diagonal().mean() + 1e-12)
    return (rows @ torch.linalg.solve(gram, rows.T @ y.flatten(0, 1))).view_as(y), y


def _explained(x: Tensor, masks: Tensor) -> float:
    if masks.flatten(2).shape[2] != x.shape[1]:
        return 0.0
    predicted, y = _fit(x, masks)
    return 1 - float((y - predicted).square().sum() / y.square().sum().clamp(min=1e-12))


def _better(x: Tensor, masks: Tensor, turn: Callable[[Tensor], Tensor]) -> float:
    """Share of the pictures that fit their mask far better turned."""
    predicted, own = _fit(x, masks)
    other = turn(masks - masks.mean(0)).flatten(2).transpose(1, 2)
    a, b = _correlations(predicted, own), _correlations(predicted, other)
    return float(((b > a + BETTER) & (b > GOOD)).double().mean())


def _correlations(a: Tensor, b: Tensor) -> Tensor:
    a, b = (t.flatten(1) - t.flatten(1).mean(1, keepdim=True) for t in (a, b))
    found: Tensor = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-12)
    return found
