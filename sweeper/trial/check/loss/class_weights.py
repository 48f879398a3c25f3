"""What an example of each class counts."""

from __future__ import annotations

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.loss.probe import towards
from sweeper.trial.check.outputs import BINARY, CLASSES
from sweeper.trial.check.subject import Subject
from sweeper.trial.pictures import bars
from sweeper.trial.verdict import Verdict

EXAMPLES = 1024
SEEN = 5  # examples of a class, to speak of it
IMBALANCE = 2.0  # of the counts: below it weights are not there to balance
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
        if subject.kind.name not in (CLASSES, BINARY) or not single or not subject.plain_loss:
            raise NotApplicable("an example has no single class")
        labels = subject.labels(batch.targets).long().cpu()
        sizes = _sizes(subject, batch)
        counts = torch.bincount(labels.clamp(min=0), minlength=2)
        seen = [c for c in range(len(counts)) if counts[c] >= SEEN]
        if len(seen) < 2:
            raise NotApplicable("fewer than two classes have enough examples")
        weights = {c: float(sizes[labels == c].mean()) for c in seen}
        most = max(weights.values())
        lost = [c for c in seen if weights[c] <= 1e-6 * most]
        picture = (
            bars({str(c): w / max(most, 1e-30) for c, w in weights.items()}, "Weight of an example", y="weight"),
        )
        if lost:
            return self.failed(
                f"examples of class {', '.join(map(str, lost[:4]))} count nothing in the loss",
                expected="every class counts", pictures=picture, measured={"lost": len(lost)},
                advice="look at ignore_index and at weights of 0",
            )  # fmt: skip
        rare, frequent = min(seen, key=lambda c: counts[c]), max(seen, key=lambda c: counts[c])
        ratio = weights[frequent] / weights[rare]
        imbalanced = float(counts[frequent]) > IMBALANCE * float(counts[rare])
        return self.judged(
            not imbalanced or ratio < TURNED,
            f"an example of class {frequent} ({int(counts[frequent])} examples) weighs {ratio:.3g} times one of class "
            f"{rare} ({int(counts[rare])})",
            expected=f"less than {TURNED:g} times", measured={"ratio": ratio}, pictures=picture,
        )  # fmt: skip


def _sizes(subject: Subject, batch: Batch) -> Tensor:
    like = subject.first_outputs.detach()[:1].expand(len(batch), *subject.first_outputs.shape[1:])
    leaf = towards(subject, batch, like, 0.0).detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(subject.loss(leaf, batch.targets), leaf)
    sizes: Tensor = gradient.reshape(len(leaf), -1).double().norm(dim=1)
    return sizes.cpu()
