"""What CTC asks for."""

from __future__ import annotations

from typing import Any

import torch

from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class CtcTerms(Check):
    """Connectionist temporal classification (Graves et al. 2006) takes log-probabilities, and one class is the blank.

    Given raw scores it has no floor; a target that is the blank can't be told from nothing.
    """

    name, rank, tip = "ctc_terms", 17, 11
    hypothesis = "CTC gets log-probabilities, and no target is its blank."
    advice = "give it outputs.log_softmax(2), (time, batch, classes), and number the targets around blank=0"
    needs = ("model_runs", "loss_runs")

    def measure(self, subject: Subject) -> Verdict:
        """The arguments that the call in the loss's graph has kept."""
        node = _ctc(subject.batch_loss(subject.batch, training=True).grad_fn)
        if node is None:
            raise NotApplicable("the loss is not CTC")
        expected = "sums of 1, no blank among the targets"
        sums = node._saved_log_probs.exp().sum(-1)
        if float((sums - 1).abs().max()) > 1e-2:
            return self.failed(f"exp(outputs) sums to {float(sums.min()):.3g} to {float(sums.max()):.3g}, not 1",
                               expected=expected)  # fmt: skip
        blank, targets = int(node._saved_blank), node._saved_targets
        share = float(_counted(node, targets, blank).double().mean())
        return self.judged(share == 0, f"{share:.0%} of the targets are the blank, {blank}", expected=expected,
                           measured={"blank": share})  # fmt: skip


def _ctc(node: Any) -> Any:
    """The call of ctc_loss among the last operations of the loss."""
    for _ in range(20):
        if node is None or node.name().startswith("CtcLoss"):
            return node
        node = next((parent for parent, _ in node.next_functions if parent is not None), None)
    return None


def _counted(node: Any, targets: torch.Tensor, blank: int) -> torch.Tensor:
    """Which targets are the blank, those behind each row's length left out."""
    lengths = torch.as_tensor(node._saved_target_lengths)
    if targets.ndim == 2:
        targets = targets[torch.arange(targets.shape[1]) < lengths[:, None]]
    return targets == blank
