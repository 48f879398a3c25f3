"""What an example of each class counts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import DataLoader, WeightedRandomSampler

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import towards
from sweeper.trial.check.outputs import BINARY, CLASSES
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

EXAMPLES = 1024
FEW = 20  # labels
SCALES = (0.01, 1.0, 30.0)  # of outputs to try
SEEN = 5  # examples of a class, to speak of it
IMBALANCE = 2.0  # of the counts: below it weights are not there to balance
EVEN, TWICE = 1.5, 3.0  # counts that are alike; weights that are there to balance, too
TURNED = 1.5  # times the weight of a rare class, for a frequent one


class ClassWeights(Check):
    """Weights balance classes: a rare one counts more. One that counts nothing is never learnt."""

    name, rank, tip = "class_weights", 65, 11
    hypothesis = "Every class counts in the loss, and a rare one no less than a frequent one."
    advice = "give each class the weight examples / (classes * its examples)"
    needs = ("model_runs", "loss_runs", "softmax_once", "loss_sign", "loss_broadcast", "right_loss")

    def measure(self, subject: Subject) -> Verdict:
        """The size of each example's gradient where no class is favoured, by class."""
        batch = subject.pool.first(EXAMPLES)
        single = batch.targets.ndim == 1 or batch.targets[0].numel() == 1
        if subject.kind.name not in (CLASSES, BINARY) or not single:
            raise NotApplicable("an example has no single class")
        if not subject.plain_loss:
            return self._of_several(subject)
        labels = subject.labels(batch.targets).long().cpu()
        sizes = _sizes(subject, batch)
        counts = torch.bincount(labels.clamp(min=0), minlength=2)
        seen = [c for c in range(len(counts)) if counts[c] >= SEEN]
        if len(seen) < 2:
            raise NotApplicable("fewer than two classes have enough examples")
        weights = {c: float(sizes[labels == c].mean()) for c in seen}
        most = max(weights.values())
        lost = [c for c in seen if weights[c] <= 1e-6 * most and not _counts(subject, c)]
        picture = (
            bars({str(c): w / max(most, 1e-30) for c, w in weights.items()}, "Weight of an example", y="weight"),
        )
        if lost:
            return self.failed(
                f"examples of class {', '.join(map(str, lost[:4]))} count nothing in the loss",
                expected="every class counts", pictures=picture, measured={"lost": len(lost)},
                advice="look at ignore_index and at weights of 0",
            )  # fmt: skip
        if (twice := _twice(subject, weights)) is not None:
            return self.failed(
                f"the sampler draws all classes alike, and an example of class {twice[0]} weighs {twice[1]:.3g} times "
                f"one of class {twice[2]} as well",
                expected=f"less than {TWICE:g} times", pictures=picture, measured={"ratio": twice[1]},
                advice="balance classes once: by the sampler, or by weights in the loss",
            )  # fmt: skip
        rare, frequent = min(seen, key=lambda c: counts[c]), max(seen, key=lambda c: counts[c])
        ratio = weights[frequent] / max(weights[rare], 1e-30)
        imbalanced = float(counts[frequent]) > IMBALANCE * float(counts[rare])
        return self.judged(
            not imbalanced or ratio < TURNED,
            f"an example of class {frequent} ({int(counts[frequent])} examples) weighs {ratio:.3g} times one of class "
            f"{rare} ({int(counts[rare])})",
            expected=f"less than {TURNED:g} times", measured={"ratio": ratio}, pictures=picture,
        )  # fmt: skip

    def _of_several(self, subject: Subject) -> Verdict:
        """Where the loss takes several tensors: labels whose examples may have any outputs."""
        labels = subject.labels(subject.batch.targets)
        kinds, counts = torch.unique(labels, return_counts=True)
        if not 2 <= len(kinds) <= FEW or int(counts.min()) < SEEN:
            raise NotApplicable("the examples of the batch are too few to say")
        lost = [float(kind) for kind in kinds if not _counts(subject, float(kind))]
        return self.judged(
            not lost, f"examples labelled {', '.join(f'{kind:g}' for kind in lost)} count nothing in the loss"
            if lost else "examples of each label count in the loss",
            expected="every label counts", measured={"lost": len(lost)},
            advice="look at which labels the loss documents: -1 and 1, or 0 and 1?",
        )  # fmt: skip


@torch.no_grad()
def _counts(subject: Subject, label: float) -> bool:
    """Other outputs of the examples of a label give another loss."""
    batch = subject.batch
    rows = (subject.labels(batch.targets) == label).reshape(-1)
    raw = subject.forward(batch.inputs)
    if not isinstance(raw, (Tensor, tuple, list)) or not bool(rows.any()):
        return True
    generator = torch.Generator().manual_seed(0)

    def other(t: object, scale: float) -> object:
        if not isinstance(t, Tensor) or not t.is_floating_point() or len(t) != len(batch):
            return t
        noise = scale * torch.randn(t.shape, generator=generator).to(t)
        return torch.where(rows.reshape(-1, *[1] * (t.ndim - 1)), noise, t)

    before = float(subject.loss(raw, batch.targets))
    for scale in SCALES:
        parts = [other(t, scale) for t in (raw if isinstance(raw, (tuple, list)) else [raw])]
        if float(subject.loss(tuple(parts) if isinstance(raw, (tuple, list)) else parts[0], batch.targets)) != before:
            return True
    return False


def _twice(subject: Subject, weights: dict[int, float]) -> tuple[int, float, int] | None:
    """Classes whose weights differ though a sampler with weights draws them alike: (heavy, ratio, light)."""
    loader = subject.loader
    if not isinstance(loader, DataLoader) or not isinstance(loader.sampler, WeightedRandomSampler):
        return None
    counts = torch.bincount(subject.labels(subject.pool.targets).long().cpu().clamp(min=0))
    if min(int(counts[c]) for c in weights) < int(counts.max()) / EVEN:
        return None
    heavy, light = max(weights, key=lambda c: weights[c]), min(weights, key=lambda c: weights[c])
    ratio = weights[heavy] / max(weights[light], 1e-30)
    return (heavy, ratio, light) if ratio > TWICE else None


def _sizes(subject: Subject, batch: Batch) -> Tensor:
    like = subject.first_outputs.detach()[:1].expand(len(batch), *subject.first_outputs.shape[1:])
    leaf = towards(subject, batch, like, 0.0).detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(subject.loss(leaf, batch.targets), leaf)
    sizes: Tensor = gradient.reshape(len(leaf), -1).double().norm(dim=1)
    return sizes.cpu()
