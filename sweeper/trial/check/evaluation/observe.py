"""One run of a person's evaluation on a few batches of unequal size, and what it did to the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.inputs.labels_in_range import IGNORE
from sweeper.trial.check.outputs import BINARY, CLASSES, tensor_of
from sweeper.trial.check.own_code import call_by_name, own_code
from sweeper.trial.check.subject import Subject

SIZE = 16  # of the full batches; the short last one has 3, and its examples are the hardest


@dataclass(frozen=True)
class Observed:
    """``modes``: the model's at each forward pass; ``restored``: it is in training mode afterwards, as before.

    ``numbers``: what the evaluation gave, by name; ``losses``, ``sizes`` of the batches it was given, one by one.
    """

    modes: tuple[bool, ...]
    restored: bool
    changed: bool
    numbers: Mapping[str, float]
    losses: tuple[float, ...]
    sizes: tuple[int, ...]
    accuracy: float | None
    calls_model: bool = True

    @property
    def right_loss(self) -> float:
        """The mean over examples."""
        return sum(a * n for a, n in zip(self.losses, self.sizes, strict=True)) / sum(self.sizes)

    @property
    def loss(self) -> float:
        """The loss that the evaluation gave; NotApplicable if none."""
        if not self.calls_model:
            raise NotApplicable("the evaluation does not call this model (an average of its weights?)")
        for name, value in self.numbers.items():
            if "loss" in name.lower() or name == "":
                return value
        raise NotApplicable("the evaluation gives no loss")


def observe(subject: Subject) -> Observed:
    """Run it once; NotApplicable without an evaluation."""
    if subject.evaluate is None:
        raise NotApplicable("no evaluation was given")
    if "evaluation" not in subject.facts:
        with subject.untouched():
            subject.facts["evaluation"] = _observe(subject)
    found: Observed = subject.facts["evaluation"]
    return found


def _observe(subject: Subject) -> Observed:
    assert subject.evaluate is not None
    batches = _batches(subject)
    with torch.no_grad():
        subject.model.eval()
        raws = [subject.forward(b.inputs) for b in batches]
        losses = tuple(float(subject.loss(raw, b.targets)) for raw, b in zip(raws, batches, strict=True))
    outputs = [tensor_of(raw) for raw in raws]
    modes: list[bool] = []
    called: list[bool] = []
    handles = [m.register_forward_pre_hook(lambda *_: called.append(True)) for m in subject.model.modules()]
    handles.append(subject.model.register_forward_pre_hook(lambda module, _: modes.append(module.training)))
    before = {name: t.clone() for name, t in subject.model.state_dict().items()}
    subject.model.train()
    training = [m.training for m in subject.model.modules()]  # a frozen part may keep itself in evaluation mode
    try:
        given = _evaluate(subject, batches)
    finally:
        for handle in handles:
            handle.remove()
    changed = any(not torch.equal(before[name], t) for name, t in subject.model.state_dict().items())
    restored = [m.training for m in subject.model.modules()] == training
    if not restored and subject.step is not None:  # a step that sets the mode itself is as good
        restored = _mode_in_step(subject)
    return Observed(
        tuple(modes), restored, changed, _numbers(given), losses, tuple(map(len, batches)),
        _accuracy(subject, outputs, batches) if called else None, bool(called),
    )  # fmt: skip


def evaluated(subject: Subject, examples: int = 32) -> dict[str, float]:
    """The numbers that the evaluation gives on a few examples, with the weights as they are."""
    pool = subject.val if subject.val is not None and len(subject.val) >= 8 else subject.pool
    subject.model.train()
    return _numbers(_evaluate(subject, [pool.first(examples)]))


def _evaluate(subject: Subject, batches: list[Batch]) -> Any:
    assert subject.evaluate is not None
    pairs = [(b.inputs, b.targets) for b in batches]
    known: dict[str, Any] = {"model": subject.model, "optimizer": subject.optimizer}
    known |= dict.fromkeys(("loss", "loss_fn", "criterion"), subject.loss_function)
    known |= dict.fromkeys(("loader", "batches", "data", "val", "val_loader", "dataloader", "data_loader"), pairs)
    with own_code():
        return call_by_name(subject.evaluate, known, (subject.model, pairs))


def _mode_in_step(subject: Subject) -> bool:
    seen: list[bool] = []
    handle = subject.model.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    try:
        subject.run_step(subject.batch)
    finally:
        handle.remove()
    return bool(seen) and all(seen)


def _batches(subject: Subject) -> list[Batch]:
    """Three full batches and a short one of the examples with the largest losses: unequal weights show."""
    pool = subject.val if subject.val is not None and len(subject.val) >= 8 else subject.pool
    pool = pool.first(3 * SIZE + 3 if len(pool) >= 3 * SIZE + 3 else len(pool) - (len(pool) % 4 == 0))
    size = max((len(pool) - 3) // 3, 1)
    with torch.no_grad():
        losses = torch.tensor([float(subject.batch_loss(pool.take(torch.tensor([i])))) for i in range(len(pool))])
    order = losses.argsort()
    return [pool.take(part) for part in torch.split(order, size)]


def _numbers(given: Any) -> dict[str, float]:
    if isinstance(given, Mapping):
        return {str(k): float(v) for k, v in given.items() if isinstance(v, (int, float, Tensor))}
    if isinstance(given, (tuple, list)) and given and all(isinstance(v, (int, float, Tensor)) for v in given):
        return dict(zip(("loss", "accuracy", "third"), map(float, given), strict=False))
    if isinstance(given, (int, float, Tensor)):
        return {"": float(given)}
    return {}


def _accuracy(subject: Subject, outputs: list[Tensor | None], batches: list[Batch]) -> float | None:
    right = count = 0
    for found, batch in zip(outputs, batches, strict=True):
        if found is None:
            return None
        if subject.kind.name == CLASSES:
            wanted = batch.targets.argmax(1) if batch.targets.is_floating_point() else batch.targets
            answers = found.argmax(subject.kind.axis)
        elif subject.kind.name == BINARY:
            wanted = batch.targets.reshape(found.shape)
            answers = found > (0.5 if subject.family.name == "sigmoid" else 0.0)
        else:
            return None
        wanted = wanted.reshape(answers.shape)
        counted = wanted != IGNORE if not wanted.is_floating_point() else torch.ones_like(wanted, dtype=torch.bool)
        right += int((answers == wanted)[counted].sum())
        count += int(counted.sum())
    return right / max(count, 1)
