"""What is checked: a model, its loss and data, and what else there is of a training program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sweeper.trial.check.batches import Batch, Inputs
from sweeper.trial.check.check import NotApplicable
from sweeper.trial.check.outputs import CLASSES, VALUES, Family, Kind, family_of, kind_of, tensor_of
from sweeper.trial.check.restore import untouched

DROPOUT = nn.modules.dropout._DropoutNd  # what torch's dropout modules have in common


@dataclass
class Subject:
    """The parts of a training program; None for those that there are not.

    ``loss_function(outputs, targets)`` gives the batch's loss or one an example. ``step`` and ``evaluate`` are a
    person's own functions, see :func:`sweeper.trial.check.api.check`. ``pool`` has up to 2,048 training examples,
    ``batch`` one batch as training sees it.
    """

    title: str
    model: nn.Module
    loss_function: Callable[[Any, Tensor], Tensor]
    batch: Batch
    pool: Batch
    val: Batch | None = None
    loader: Iterable[Any] | None = None
    val_loader: Iterable[Any] | None = None
    optimizer: Optimizer | None = None
    scheduler: Any = None
    step: Callable[..., Any] | None = None
    evaluate: Callable[..., Any] | None = None
    augment: Callable[..., Any] | None = None
    rebuild: Callable[[], Any] | None = None
    wider: Callable[[], nn.Module] | None = None
    regularized_model: nn.Module | None = None
    regularized_loss: Callable[[Any, Tensor], Tensor] | None = None
    regularized_optimizer: Optimizer | None = None
    ordered: Batch | None = None  # the pool in the order in which it was given
    epochs: int | None = None
    steps_per_epoch: int | None = None
    frozen: Sequence[str] = ()
    causal: bool | None = None
    normalised: tuple[Any, Any] | None = None
    classes: Sequence[str] | None = None
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict)  # what one check measured and a later one uses

    @property
    def given_val(self) -> Batch:
        """The validation examples; NotApplicable where there are none."""
        if self.val is None:
            raise NotApplicable("no validation data were given")
        return self.val

    @property
    def given_optimizer(self) -> Optimizer:
        """The optimizer; NotApplicable where there is none."""
        if self.optimizer is None:
            raise NotApplicable("no optimizer was given")
        return self.optimizer

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Whatever happens inside is undone; the global generators are seeded."""
        with untouched(self.model, self.optimizer, self.scheduler, seed=self.seed):
            yield

    def forward(self, inputs: Inputs, *, training: bool = False) -> Any:
        """What the model returns, in evaluation or training mode."""
        self.model.train(training)
        return _call(self.model, inputs)

    def outputs(self, inputs: Inputs, *, training: bool = False) -> Tensor:
        """The model's predictions, the tensor alone."""
        found = tensor_of(self.forward(inputs, training=training))
        if found is None:
            raise NotApplicable("the model returns no tensor")
        return found

    def loss(self, raw: Any, targets: Tensor) -> Tensor:
        """The loss that is minimised, a scalar."""
        value = self.loss_function(raw, targets)
        return value if value.ndim == 0 else value.mean()

    def loss_gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The gradient of the loss in the outputs, of their shape."""
        leaf = outputs.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(self.loss(leaf, targets), leaf)
        return gradient

    def batch_loss(self, batch: Batch, *, training: bool = False) -> Tensor:
        """The scalar loss on a batch."""
        return self.loss(self.forward(batch.inputs, training=training), batch.targets)

    @property
    def modal(self) -> bool:
        """True where a layer of the model does otherwise in training than in evaluation mode."""
        kinds = (DROPOUT, nn.modules.batchnorm._BatchNorm)
        return any(isinstance(module, kinds) for module in self.model.modules())

    @cached_property
    def first_outputs(self) -> Tensor:
        """Predictions on ``batch`` before anything was trained, in evaluation mode, with their graph."""
        with self.untouched(), torch.enable_grad():
            return self.outputs(self.batch.inputs)

    @cached_property
    def kind(self) -> Kind:
        """Classes, binary or values, by the shapes and values of outputs and targets."""
        if len(self.first_outputs) != len(self.batch):  # time first
            return Kind(VALUES)
        return kind_of(self.first_outputs.detach(), self.batch.targets)

    @cached_property
    def family(self) -> Family:
        """The last operation of the network."""
        return family_of(self.first_outputs)

    @property
    def plain_loss(self) -> bool:
        """True where the loss takes the tensor of predictions, a row an example: it can be probed with others."""
        raw_is_tensor = self.facts.get("raw_is_tensor")
        if raw_is_tensor is None:
            with self.untouched(), torch.no_grad():
                raw = self.forward(self.batch.inputs)
            raw_is_tensor = isinstance(raw, Tensor) and len(raw) == len(self.batch)
            self.facts["raw_is_tensor"] = raw_is_tensor
        return bool(raw_is_tensor)

    def labels(self, targets: Tensor) -> Tensor:
        """One number an example, a class or a value; NotApplicable for dense targets."""
        if self.kind.name == CLASSES and targets.is_floating_point() and targets.ndim == 2:
            return targets.argmax(1)
        flat = targets.reshape(len(targets), -1)
        if flat.shape[1] != 1:
            raise NotApplicable("an example has more than one target")
        return flat[:, 0]

    @property
    def is_labels(self) -> bool:
        """True where :meth:`labels` gives classes rather than values."""
        return self.kind.name != VALUES

    def trainable(self) -> list[tuple[str, nn.Parameter]]:
        """Named parameters that a gradient should reach."""
        return [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]

    def run_step(self, batch: Batch) -> Any:
        """One training step: the person's own, else the usual one with their optimizer."""
        if self.step is not None:
            with own_code():
                return call_by_name(self.step, self._known(batch), (batch.inputs, batch.targets))
        assert self.optimizer is not None
        self.optimizer.zero_grad()
        loss = self.batch_loss(batch, training=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def _known(self, batch: Batch) -> dict[str, Any]:
        pair = (batch.inputs, batch.targets)
        given = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler, "batch": pair}
        given |= dict.fromkeys(("loss", "loss_fn", "criterion"), self.loss_function)
        given |= dict.fromkeys(("inputs", "x", "xb", "features", "images", "data"), batch.inputs)
        given |= dict.fromkeys(("targets", "y", "yb", "labels", "target"), batch.targets)
        return given


class OwnCodeFailed(Exception):
    """A person's own function raised; the text is what."""


@contextmanager
def own_code() -> Iterator[None]:
    """Tell an error of a person's own function from one of a check's."""
    try:
        yield
    except Exception as error:
        raise OwnCodeFailed(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


def call_by_name(function: Callable[..., Any], known: Mapping[str, Any], positional: tuple[Any, ...]) -> Any:
    """Call with the known arguments that it names, else with ``positional`` (a pair where it takes one)."""
    parameters = [
        p for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.default is p.empty
    ]  # fmt: skip
    if parameters and all(p.name in known and p.kind is not p.POSITIONAL_ONLY for p in parameters):
        return function(**{p.name: known[p.name] for p in parameters})
    if len(parameters) == 1:
        return function(positional)
    return function(*positional[: len(parameters)] if parameters else ())


def no_dropout(model: nn.Module) -> None:
    """Leave dropout modules in place without effect; undone by ``untouched``."""
    for module in model.modules():
        if isinstance(module, DROPOUT):
            module.p = 0.0


def train(
    subject: Subject, batches: Callable[[int], Batch], *, steps: int, lr: float,
    stop_below: float = -float("inf"),
) -> list[float]:  # fmt: skip
    """Losses of ``steps`` steps of Adam on the model itself, dropout modules off (recipe tip 9)."""
    optimizer = torch.optim.Adam([p for _, p in subject.trainable()], lr=lr)
    losses: list[float] = []
    for number in range(steps):
        batch = batches(number)
        subject.model.train()
        for module in subject.model.modules():
            if isinstance(module, DROPOUT):
                module.eval()
        raw = _call(subject.model, batch.inputs)
        loss = subject.loss(raw, batch.targets)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < stop_below or losses[-1] != losses[-1]:
            break
    return losses


def _call(model: nn.Module, inputs: Inputs) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)
