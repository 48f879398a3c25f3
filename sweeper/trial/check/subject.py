"""What is checked: a model, its loss and data, and what else there is of a training program."""

from __future__ import annotations

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
from sweeper.trial.check.outputs import CLASSES, EMBEDDING, VALUES, Family, Kind, family_of, kind_of, tensor_of
from sweeper.trial.check.own_code import OwnCodeFailed, call_by_name, own_code, stateful
from sweeper.trial.check.restore import untouched

MOST_PARTS = 16  # calls of a step for one update
PROBED = 64  # examples
NARROW = 8  # outputs: below it two of them are too many of all to say
OWN, SPREAD = 0.2, 0.25  # share of a gradient's change in the two classes; outputs that it is spread over
HALF_EPS = 1e-4  # in half precision 1e-8 is 0
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
        with untouched(self.model, self.optimizer, self.scheduler, *self.held, seed=self.seed, step=self.step):
            yield

    def forward(self, inputs: Inputs, *, training: bool = False) -> Any:
        """What the model returns, in evaluation or training mode."""
        self.model.train(training)
        if not training and self.facts.get("draws"):
            torch.manual_seed(self.seed)
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
    def held(self) -> tuple[Any, ...]:
        """Other optimizers, schedules and the like that the person's own step changes as well."""
        given = (self.model, self.optimizer, self.scheduler)
        return tuple(each for each in stateful(self.step) if all(each is not one for one in given))

    @cached_property
    def supervised(self) -> bool:
        """Other targets give another loss of the same outputs, or the loss can't be had."""
        targets, few = self.batch.targets, range(min(len(self.batch), 4))
        with self.untouched(), torch.no_grad():
            try:
                raw = self.forward(self.batch.inputs)
                alike = [targets[i : i + 1].expand_as(targets) for i in few]
                others = [*(targets.roll(by, 0) for by in few), *alike]
                return len({float(self.loss(raw, other)) for other in others}) > 1
            except Exception:  # loss_runs says so
                return True

    @cached_property
    def pairs(self) -> bool:
        """The outputs are a matrix of the batch's examples by themselves, as of similarities in contrastive losses."""
        count = len(self.batch)
        if count < 3 or self.first_outputs.shape != (count, count):
            return False
        with self.untouched(), torch.no_grad():
            return self.outputs(self.batch.first(count - 1).inputs).shape == (count - 1, count - 1)

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
        found = kind_of(self.first_outputs.detach(), self.batch.targets)
        return Kind(EMBEDDING) if found.name == CLASSES and is_embedding(self, found.count) else found

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
        """One training step: the person's own, else the usual one with their optimizer.

        Their own may update once in some calls, for parts that add up: it is then called for each part of the batch.
        """
        if self.step is not None:
            parts = [batch]
            if (calls := self.calls_for_update) > 1 and len(batch) >= calls:
                parts = [batch.take(rows) for rows in torch.arange(len(batch)).tensor_split(calls)]
            return [self._call_step(part) for part in parts][-1]
        assert self.optimizer is not None
        self.optimizer.zero_grad()
        loss = self.batch_loss(batch, training=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    @cached_property
    def calls_for_update(self) -> int:
        """How often the person's own step is called until the optimizer steps; 1 where that is not seen."""
        if self.optimizer is None:
            return 1
        seen: list[bool] = []
        handle = self.optimizer.register_step_post_hook(lambda *_: seen.append(True))
        try:
            with self.untouched():
                for calls in range(1, MOST_PARTS + 1):
                    self._call_step(self.batch)
                    if seen:
                        return calls
        except OwnCodeFailed:  # step_order says so
            pass
        finally:
            handle.remove()
        return 1

    def _call_step(self, batch: Batch) -> Any:
        assert self.step is not None
        with own_code():
            return call_by_name(self.step, self._known(batch), (batch.inputs, batch.targets))

    def _known(self, batch: Batch) -> dict[str, Any]:
        pair = (batch.inputs, batch.targets)
        given = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler, "batch": pair}
        given |= dict.fromkeys(("loss", "loss_fn", "criterion"), self.loss_function)
        given |= dict.fromkeys(("inputs", "x", "xb", "features", "images", "data"), batch.inputs)
        given |= dict.fromkeys(("targets", "y", "yb", "labels", "target"), batch.targets)
        return given


def is_embedding(subject: Subject, count: int) -> bool:
    """The outputs are no scores of classes: another class as the target moves the gradient of all outputs alike.

    A loss of scores moves that of two, the one class and the other; a loss that compares examples, or that has a last
    layer of its own, knows no output as a class's.
    """
    batch = subject.batch.first(PROBED)
    targets = batch.targets
    if targets.ndim != 1 or subject.first_outputs.ndim != 2 or len(batch) < 4 or not subject.plain_loss:
        return False
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(len(batch), count, generator=generator).to(subject.first_outputs)
    other = targets.roll(1)
    try:
        if int(targets.max()) > count:  # a loss of scores raises
            return bool(subject.loss(outputs, targets).isfinite())
        if count < NARROW or int(targets.min()) < 0 or int(targets.max()) >= count:
            return False
        before, after = (subject.loss_gradient(outputs, given).double() for given in (targets, other))
    except Exception:  # loss_runs says so
        return False
    change = (after - before)[targets != other].square()
    hot = torch.zeros(len(batch), count, dtype=torch.bool, device=change.device)
    hot.scatter_(1, targets[:, None], True).scatter_(1, other[:, None], True)
    whole = float(change.sum())
    if not 0 < whole < float("inf"):
        return False
    shares = change.sum(1).clamp(min=1e-30)[:, None]
    spread = 1 / (change / shares).square().sum(1)  # outputs that it would be if it were even
    own = float((change * hot[targets != other]).sum()) / whole
    return own < max(OWN, 3 / count) and float(spread.mean()) > SPREAD * count


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
    trained = [p for _, p in subject.trainable()]
    optimizer = torch.optim.Adam(
        trained, lr=lr, eps=HALF_EPS if any(p.dtype == torch.float16 for p in trained) else 1e-8
    )
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
