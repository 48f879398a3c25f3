"""Penalties that stay smaller than the loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from sweeper.trial.check.check import Check
from sweeper.trial.check.outputs import tensors_of
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

SEEN = 1e-4  # of the loss
LARGEST = 1.0  # of the task's gradient: beyond it the penalty decides where the weights go


class RegularizerShare(Check):
    """A penalty whose gradient is larger than the task's pulls every weight to where the penalty wants it."""

    name, rank, tip = "regularizer_share", 90, 34
    hypothesis = "At the start the gradient of the penalties is smaller than that of the task."
    advice = "lower the weight of the penalty (weight decay 0.01 to 0.1 with AdamW, 1e-4 with SGD)"
    needs = ("model_runs", "loss_runs", "loss_broadcast", "loss_mean", "softmax_once")

    def measure(self, subject: Subject) -> Verdict:
        """Norm of the gradient that does not pass through the predictions, and of the decay, over the task's."""
        shares = {"in the loss": _in_loss(subject)}
        if shares["in the loss"] == 0 and (change := _without_gradient(subject)) > SEEN:
            return self.failed(
                f"larger weights change the loss of the same predictions by {change:.3g} of it, but get no gradient "
                "from it",
                expected="a penalty that pulls", measured={"change": change},
                advice="compute the penalty from the weights themselves: no .data, .item(), detach() or no_grad()",
            )  # fmt: skip
        if subject.regularized_loss is not None:
            shares["of the regularizers' loss"] = _added(subject)
        for optimizer in (subject.optimizer, subject.regularized_optimizer):
            if optimizer is not None:
                shares["of the weight decay"] = max(_decay(subject, optimizer), shares.get("of the weight decay", 0.0))
        worst = max(shares, key=lambda name: shares[name])
        return self.judged(
            shares[worst] <= LARGEST,
            "gradient over the task's: " + ", ".join(f"{share:.3g} {name}" for name, share in shares.items()),
            expected=f"at most {LARGEST:g}", measured={"share": shares[worst]},
        )  # fmt: skip


def _in_loss(subject: Subject) -> float:
    """What of the loss's gradient does not come through the predictions."""
    parameters = [p for _, p in subject.trainable()]
    raw = subject.forward(subject.batch.inputs)
    outputs = [part for part in tensors_of(raw) if part.requires_grad]
    loss = subject.loss(raw, subject.batch.targets)
    if not outputs or not loss.requires_grad:
        return 0.0
    found = torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True)
    through = [(part, gradient) for part, gradient in zip(outputs, found, strict=True) if gradient is not None]
    whole = _flat(torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True), parameters)
    if not through:
        return float("inf") if float(whole.norm()) > 0 else 0.0
    parts, gradients = zip(*through, strict=True)
    task = _flat(torch.autograd.grad(parts, parameters, gradients, allow_unused=True), parameters)
    penalty = whole - task
    if float(penalty.norm()) <= 1e-4 * float(whole.norm()):
        return 0.0  # rounding
    return float(penalty.norm() / task.norm().clamp(min=1e-30))


@torch.no_grad()
def _without_gradient(subject: Subject) -> float:
    """How far the loss of the same predictions goes as the weights grow by half."""
    with subject.untouched():
        raw = subject.forward(subject.batch.inputs)
        before = float(subject.loss(raw, subject.batch.targets))
        for _, parameter in subject.trainable():
            parameter.mul_(1.5)
        after = float(subject.loss(raw, subject.batch.targets))
    return abs(after - before) / max(abs(before), 1e-12) if after == after else 0.0


def _added(subject: Subject) -> float:
    assert subject.regularized_loss is not None
    parameters = [p for _, p in subject.trainable()]
    gradients = []
    for function in (subject.loss_function, subject.regularized_loss):
        loss = function(subject.forward(subject.batch.inputs), subject.batch.targets).mean()
        gradients.append(_flat(torch.autograd.grad(loss, parameters, allow_unused=True), parameters))
    return float((gradients[1] - gradients[0]).norm() / gradients[0].norm().clamp(min=1e-30))


def _decay(subject: Subject, optimizer: Optimizer) -> float:
    """Pull of the decay over the gradient (coupled), or over a step of size 1 a weight (decoupled, as in AdamW)."""
    subject.model.zero_grad(set_to_none=True)
    torch.autograd.backward(subject.batch_loss(subject.batch))
    ours = {id(p) for _, p in subject.trainable()}
    pull = task = 0.0
    for group in optimizer.param_groups:
        decay = float(group.get("weight_decay", 0.0) or 0.0)
        decoupled = bool(group.get("decoupled_weight_decay")) or "AdamW" in type(optimizer).__name__
        for p in group["params"]:
            if id(p) in ours and p.grad is not None:
                pull += (decay * float(p.detach().norm())) ** 2
                task += float(p.numel()) if decoupled else float(p.grad.norm()) ** 2
    return (pull / task) ** 0.5 if task > 0 else 0.0


def _flat(gradients: tuple[Tensor | None, ...], parameters: list[torch.nn.Parameter]) -> Tensor:
    return torch.cat([
        (torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(gradients, parameters, strict=True)
    ])  # fmt: skip
