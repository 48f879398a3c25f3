"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sweeper.errors import ConfigError
from sweeper.trial.checkpoint import Checkpoint
from sweeper.trial.ranks import Alone
from sweeper.trial.report import report
from sweeper.trial.seeds import generator, seed_everything
from sweeper.trial.setup import Setup
from sweeper.trial.step import backward_on, step_of
from sweeper.trial.tasks import Task

EVAL_BATCH = 512  # examples a forward pass in evaluation: bounds memory, does not change the result
SHUFFLED_BYTES = 2**26  # inputs of which an epoch may hold a second copy


@dataclass(frozen=True)
class Fitted:
    """Metrics of each epoch, the epoch (from 1) whose weights the model holds, and why it stopped early."""

    history: list[dict[str, float]]
    epoch: int
    stopped: str | None

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the weights that the model holds."""
        return self.history[self.epoch - 1]


ALONE = Alone()


def fit(run: Setup, *, epochs: int, batch_size: int, checkpoint: Checkpoint, ranks: Alone = ALONE) -> Fitted:
    """Train ``run.model`` in place for ``epochs`` epochs, or until a regularizer stops it.

    Goes on from the checkpoint if there is one, to the same bits as without the interruption.
    Raises FloatingPointError as soon as a loss is no number.
    """
    run.regularizers.training_began(epochs)
    history: list[dict[str, float]] = []
    stopped: str | None = None
    if (state := ranks.first(lambda: checkpoint.load(run.device))) is not None:
        run.load_state_dict(state)
        history, stopped = state["history"], state["stopped"]
    if len(history) > epochs:
        raise ConfigError(
            f"stage.epochs must be >= {len(history)} as {checkpoint.found} has them, got {epochs}; raise it"
        )

    for epoch in range(len(history) + 1, epochs + 1):
        if stopped:
            break
        metrics = {"train_loss": train_epoch(run, epoch, batch_size, ranks)}
        val = ranks.first(lambda: evaluate(run.model, run.task, *run.val))
        metrics |= {f"val_{name}": value for name, value in val.items()}
        require_finite(metrics, epoch)
        history.append(metrics)
        stopped = run.regularizers.epoch_ended(epoch, metrics, run.model)
        report(step=epoch, **metrics)
        last = epoch == epochs or stopped is not None
        if ranks.rank == 0 and (last or checkpoint.due):
            checkpoint.save({**run.state_dict(), "history": history, "stopped": stopped})

    restored = run.regularizers.training_ended(run.model)
    return Fitted(history, restored or len(history), stopped)


def train_epoch(run: Setup, epoch: int, batch_size: int, ranks: Alone = ALONE) -> float:
    """One pass, shuffled; the loss as it was minimised, its mean over the epoch weighted by example."""
    model, (inputs, targets) = ranks.wrap(run.model).train(), run.train
    backward, step = backward_on(run.device), step_of(run.optimizer)
    own = ("rank", ranks.rank) if ranks.rank else ()  # dropout masks of its own; the batches below are everybody's
    seed_everything(run.seed, "epoch", epoch, *own)
    run.regularizers.epoch_began(run.seed, epoch, run.device)
    order = torch.randperm(len(targets), generator=generator(run.seed, "order", epoch)).to(run.device)
    parameters = [p for group in run.optimizer.param_groups for p in group["params"]]
    losses: list[Tensor] = []
    sizes: list[int] = []
    for batch in _batches(inputs, targets, order, batch_size):
        batch_inputs, batch_targets = ranks.part(*run.regularizers.change_batch(*batch))
        sizes.append(len(batch[1]))
        loss = ranks.mean_loss(run, model(batch_inputs), batch_targets, sizes[-1])
        for parameter in parameters:
            parameter.grad = None  # optimizer.zero_grad() opens a profiler's record: 50 of a small step's 1,250 µs
        backward(loss)
        step()
        losses.append(loss.detach())
    total = torch.stack(losses).double() @ torch.tensor(sizes, dtype=torch.float64, device=run.device)
    return ranks.average(total).item() / len(targets)  # the epoch's only wait for the device


def _batches(inputs: Tensor, targets: Tensor, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """(inputs, targets) of each batch; what is small is shuffled in one go, 15 µs a batch less."""
    if inputs.nbytes <= SHUFFLED_BYTES:
        shuffled = (whole.index_select(0, order) for whole in (inputs, targets))  # a fifth of whole[order]'s time
        return zip(*(torch.split(whole, size) for whole in shuffled), strict=True)
    return ((inputs[batch], targets[batch]) for batch in torch.split(order, size))


@torch.no_grad()
def evaluate(model: nn.Module, task: Task, inputs: Tensor, targets: Tensor) -> dict[str, float]:
    """``loss`` and the task's metric over all examples in eval mode, whatever the batch size (tip 10)."""
    model.eval()
    parts = [model(part) for part in torch.split(inputs, EVAL_BATCH)]
    outputs = torch.cat(parts) if len(parts) > 1 else parts[0]
    loss = task.losses(outputs, targets).mean(dtype=torch.float64).item()
    return {"loss": loss, task.metric: task.score(outputs, targets)}


def require_finite(metrics: dict[str, float], epoch: int) -> None:
    """Raise FloatingPointError for the first metric that is no finite number."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"{name} is {value} at epoch {epoch}; lower optimizer.lr, or check inputs and loss"
            )
