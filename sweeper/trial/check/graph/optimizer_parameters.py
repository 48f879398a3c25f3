"""The optimizer has the model's parameters."""

from __future__ import annotations

from collections import Counter

from torch.optim import Optimizer

from sweeper.trial.check.check import Check
from sweeper.trial.check.graph.leaves import leaves
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

TIE = "give each parameter to one optimizer, and tie weights by name, head.weight = embedding.weight, not by .data"


class OptimizerParameters(Check):
    """An optimizer made before a layer was replaced, or from another copy of the model, trains nothing that counts."""

    name, rank, tip = "optimizer_parameters", 20, 7
    hypothesis = "The optimizer updates every trainable parameter of this model, and nothing that is not used."
    advice = "make the optimizer from model.parameters() after the model is complete; freeze with requires_grad_(False)"

    def measure(self, subject: Subject) -> Verdict:
        """Compare the two sets, by identity; parameters of the loss itself may be there as well."""
        if not subject.trainable():
            return self.failed(
                "no parameter of the model is trainable", expected="some with requires_grad",
                advice="freeze some layers only: layer.requires_grad_(False)",
            )  # fmt: skip
        mine = {id(p): name for name, p in subject.model.named_parameters()}
        held = [p for group in subject.given_optimizer.param_groups for p in group["params"]]
        others = {id(p) for p in held} - set(mine)
        stale = len(others - _of_the_loss(subject)) if others else 0
        ids = {id(p) for p in held}
        missing = [
            name
            for name, p in subject.trainable()
            if id(p) not in ids and not name.startswith(tuple(subject.frozen) or ("\0",))
        ]
        words = [f"it holds {len(ids & set(mine))} of the model's {len(mine)} parameters"]
        if stale:
            words.append(f"{stale} tensors that are not the model's")
        if missing:
            words.append(f"leaves out {len(missing)} trainable ones ({', '.join(missing[:4])})")
        twice = _twice(subject)
        if twice:
            words.append(f"{len(twice)} are updated twice a step ({', '.join(sorted(twice)[:4])})")
        return self.judged(
            not stale and not missing and not twice,
            ", ".join(words),
            expected="all trainable parameters of this model",
            measured={"stale": stale, "missing": len(missing), "twice": len(twice)},
            advice=TIE if twice and not stale and not missing else "",
        )


def _twice(subject: Subject) -> set[str]:
    """Names of parameters that two of the step's optimizers hold, or that lie in memory where another one does."""
    optimizers = [subject.given_optimizer, *(each for each in subject.held if isinstance(each, Optimizer))]
    groups = [{id(p) for group in optimizer.param_groups for p in group["params"]} for optimizer in optimizers]
    held = Counter(number for group in groups for number in group)
    places = Counter((p.data_ptr(), p.shape) for p in subject.model.parameters() if p.numel())
    return {
        name
        for name, p in subject.trainable()
        if held[id(p)] > 1 or (p.numel() and places[p.data_ptr(), p.shape] > 1 and held[id(p)])
    }


def _of_the_loss(subject: Subject) -> set[int]:
    """Trainable tensors in the computation: a learned temperature, weights of several losses."""
    try:
        return {id(leaf) for leaf in leaves(subject)}
    except Exception:  # the loss does not run; loss_runs says so
        return set()
