"""The trainable tensors that a loss was computed from, whoever holds them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sweeper.trial.check.subject import Subject


def leaves(subject: Subject) -> tuple[Tensor, ...]:
    """Leaves of the graph of the batch's loss, in training mode; those that the first call makes included."""
    if "leaves" not in subject.facts:
        with subject.untouched():
            loss = subject.batch_loss(subject.batch, training=True)
            subject.facts["leaves"] = tuple(_leaves(loss))
    found: tuple[Tensor, ...] = subject.facts["leaves"]
    return found


def _leaves(loss: Tensor) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    seen: set[Any] = set()
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)  # of the nodes that add to a leaf's gradient
        if isinstance(variable, Tensor):
            found[id(variable)] = variable
        waiting.extend(parent for parent, _ in node.next_functions)
    return list(found.values())
