"""NaN and infinity in what enters."""

from __future__ import annotations

from sweeper.trial.check.batches import Batch, tensors
from sweeper.trial.check.check import Check
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict


class FiniteInputs(Check):
    """One NaN in a batch makes every weight NaN."""

    name, rank, tip = "finite_inputs", 10, 3
    hypothesis = "All inputs and targets are finite numbers."
    advice = "drop or impute these examples in the data source"

    def measure(self, subject: Subject) -> Verdict:
        """Count examples that have a number which is none."""
        parts = {"training": subject.pool} | ({"validation": subject.val} if subject.val is not None else {})
        bad = {name: _not_finite(batch) for name, batch in parts.items()}
        words = ", ".join(f"{count} of {len(parts[name])} {name} examples" for name, count in bad.items())
        return self.judged(
            not any(bad.values()), f"NaN or infinity in {words}", expected="none", measured={"bad": sum(bad.values())}
        )


def _not_finite(batch: Batch) -> int:
    count = 0
    rows = None
    for tensor in [*tensors(batch.inputs), batch.targets]:
        if tensor.is_floating_point():
            here = ~tensor.reshape(len(tensor), -1).isfinite().all(1).cpu()
            rows = here if rows is None else rows | here
    if rows is not None:
        count = int(rows.sum())
    return count
