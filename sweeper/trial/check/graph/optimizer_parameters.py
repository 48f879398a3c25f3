"""The optimizer has the model's parameters."""

from __future__ import annotations

from sweeper.trial.check.check import Check
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class OptimizerParameters(Check):
    """An optimizer made before a layer was replaced, or from another copy of the model, trains nothing that counts."""

    name, rank, tip = "optimizer_parameters", 20, 7
    hypothesis = "The optimizer updates every trainable parameter of this model, and nothing else."
    advice = "make the optimizer from model.parameters() after the model is complete; freeze with requires_grad_(False)"

    def measure(self, subject: Subject) -> Verdict:
        """Compare the two sets, by identity."""
        if not subject.trainable():
            return self.failed(
                "no parameter of the model is trainable", expected="some with requires_grad",
                advice="freeze some layers only: layer.requires_grad_(False)",
            )  # fmt: skip
        mine = {id(p): name for name, p in subject.model.named_parameters()}
        held = [p for group in subject.given_optimizer.param_groups for p in group["params"]]
        stale = sum(id(p) not in mine for p in held)
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
