"""The optimizer has the model's parameters."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.graph.leaves import leaves
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


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
        return self.judged(
            not stale and not missing,
            ", ".join(words),
            expected="all trainable parameters of this model",
            measured={"stale": stale, "missing": len(missing)},
        )


def _of_the_loss(subject: Subject) -> set[int]:
    """Trainable tensors in the computation: a learned temperature, weights of several losses."""
    try:
        return {id(leaf) for leaf in leaves(subject)}
    except Exception:  # the loss does not run; loss_runs says so
        return set()
