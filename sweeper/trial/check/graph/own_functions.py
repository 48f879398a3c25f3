"""Autograd functions that a person wrote, with the arguments that they are called with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.autograd import Function

from sweeper.trial.check.subject import Subject
from sweeper.trial.seeds import seed_everything

Calls = dict[type[Function], tuple[Any, ...]]


def own_functions(subject: Subject) -> Calls:
    """Those between parameters and loss that are not torch's, each with its first call's arguments."""
    kinds = {kind for node in _nodes(_loss(subject).grad_fn) if (kind := getattr(node, "_forward_cls", None))}
    seen: Calls = {}
    for kind in sorted(kinds, key=lambda kind: kind.__qualname__):
        if not kind.__module__.startswith("torch."):
            with _watched(kind, seen):
                _loss(subject)
    return seen


def as_double(tensor: Tensor) -> Tensor:
    """A copy without a history, in double precision where it has fractions; a gradient is wanted where it was."""
    copied = tensor.detach().clone()
    return copied.double().requires_grad_(tensor.requires_grad) if copied.is_floating_point() else copied


def _loss(subject: Subject) -> Tensor:
    seed_everything(subject.seed, "own_functions")
    raw = subject.forward(subject.batch.inputs, training=True)
    try:
        return subject.loss(raw, subject.batch.targets)
    except Exception:  # loss_runs says so
        return subject.outputs(subject.batch.inputs, training=True)


def _nodes(root: Any) -> Iterator[Any]:
    """The graph's nodes, each once."""
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
            yield node


@contextmanager
def _watched(kind: type[Function], seen: Calls) -> Iterator[None]:
    """Keep the first call's arguments. A program may hold ``apply`` already; ``forward`` is looked up in each call."""
    own = vars(kind).get("forward")
    forward: Callable[..., Any] = kind.forward
    context = kind.setup_context is Function.setup_context  # it comes first

    def watching(*arguments: Any, **named: Any) -> Any:
        given = arguments[1:] if context else arguments
        seen.setdefault(kind, tuple(as_double(a) if isinstance(a, Tensor) else a for a in given))
        return forward(*arguments, **named)

    kind.forward = staticmethod(watching)  # type: ignore[method-assign]
    try:
        yield
    finally:
        if own is None:
            del kind.forward
        else:
            kind.forward = own  # type: ignore[method-assign]
