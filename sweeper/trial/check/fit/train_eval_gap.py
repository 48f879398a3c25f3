"""Batch norm whose running averages arrive."""

from __future__ import annotations

import torch
from torch import nn

from sweeper.trial.check.batches import Batch
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject, no_dropout
from sweeper.trial.verdict import Verdict

PASSES = 300  # with the slowest momentum in use, 0.01, 5 % of the start are left
ONES = 128  # examples of batches of one
GAP = 0.25  # of the spread of the outputs
LONG = 0.2  # momentum, below which an average is over ten batches or more
DRAWS, BATCHES = 4, 10
LAST = 0.5  # of the spread: the batches that came last decide as much as the examples
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class TrainEvalGap(Check):
    """On the batch that its running averages were taken over, a norm does the same in both modes."""

    name, rank, tip = "train_eval_gap", 40, 10
    hypothesis = "Running averages of batch norm reach the statistics that they stand for."
    advice = "use momentum=0.1; it is the weight of the new batch, not of the old average"
    needs = ("model_runs", "batch_statistics", "independent_examples")

    def measure(self, subject: Subject) -> Verdict:
        """Outputs in both modes after 300 forward passes in training mode without a change of weights."""
        norms = [m for m in subject.model.modules() if isinstance(m, NORMS) and m.track_running_stats]
        if not norms:
            raise NotApplicable("the model has no batch norm")
        if len(subject.batch) == 1 and subject.loader is not None and len(subject.pool) >= 8:
            return self._one_at_a_time(subject)
        if len(subject.batch) < 8:
            raise NotApplicable("the batch has fewer than 8 examples")
        no_dropout(subject.model)
        batch = subject.batch.first(64)
        with torch.no_grad():
            for _ in range(PASSES):
                trained = subject.outputs(batch.inputs, training=True)
            evaluated = subject.outputs(batch.inputs)
        if any((norm.momentum or 0.0) > LONG for norm in norms) and (moved := _by_last(subject, batch)) > LAST:
            return self.failed(
                f"with other last batches of {len(subject.batch)}, outputs in evaluation differ by {moved:.2g} of "
                f"their spread: momentum {norms[0].momentum} is the weight of the newest batch",
                expected=f"at most {LAST:g}", measured={"moved": moved},
            )  # fmt: skip
        spread = float((trained - trained.mean(0)).square().mean().sqrt())
        gap = float((trained - evaluated).square().mean().sqrt()) / max(spread, 1e-12)
        return self.judged(
            gap <= GAP, f"outputs in evaluation differ from those in training by {gap:.2g} of their spread, "
            f"{len(norms)} norms with momentum {norms[0].momentum}",
            expected=f"at most {GAP:g}", measured={"gap": gap},
        )  # fmt: skip

    def _one_at_a_time(self, subject: Subject) -> Verdict:
        """In training each example is normalised by itself, in evaluation by all: outputs of both modes."""
        rows = [subject.pool.take(torch.tensor([i])).inputs for i in range(min(len(subject.pool), ONES))]
        with torch.no_grad():
            for inputs in rows * (PASSES // len(rows) + 1):
                subject.outputs(inputs, training=True)
            trained, evaluated = (
                torch.cat([subject.outputs(inputs, training=mode) for inputs in rows]) for mode in (True, False)
            )
        spread = float((trained - trained.mean(0)).square().mean().sqrt())
        gap = float((trained - evaluated).square().mean().sqrt()) / max(spread, 1e-12)
        return self.judged(
            gap <= GAP, "batch norm sees one example at a time, outputs in evaluation differ from those in training "
            f"by {gap:.2g} of their spread",
            expected=f"at most {GAP:g}", measured={"gap": gap},
            advice="use batches of 16 or more, or a norm that does not look at the batch (GroupNorm, LayerNorm)",
        )  # fmt: skip


@torch.no_grad()
def _by_last(subject: Subject, batch: Batch) -> float:
    """How far outputs of ``batch`` in evaluation move with the batches that came last, over their spread."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(DRAWS):
        for _ in range(BATCHES):
            rows = torch.randint(len(subject.pool), (len(subject.batch),), generator=generator)
            subject.outputs(subject.pool.take(rows).inputs, training=True)
        found.append(subject.outputs(batch.inputs))
    outputs = torch.stack(found)
    spread = float((outputs - outputs.mean(1, keepdim=True)).square().mean().sqrt())
    return float(outputs.std(0).square().mean().sqrt()) / max(spread, 1e-12)
