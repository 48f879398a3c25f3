"""Tables normalised by column."""

from __future__ import annotations

from torch import Tensor

from sweeper.trial.check.batches import main
from sweeper.trial.check.check import Check, NotApplicable
from sweeper.trial.check.subject import Subject
from sweeper.trial.verdict import Verdict

EXACT = 1e-4  # of a row's norm: rounding
FEWEST = 40  # examples
BY_COLUMN = 0.9  # of the variance of all numbers: what a column is decides nearly all, what an example is nothing


class RowScale(Check):
    """sklearn's normalize, or a mean over axis 1, puts columns of other units into one sum: the largest is left."""

    name, rank, tip = "row_scale", 42, 17
    hypothesis = "A table whose columns differ is normalised by column, not by row."
    advice = "take mean and deviation over examples (axis 0): StandardScaler, not Normalizer or normalize"
    needs = ("finite_inputs",)

    def measure(self, subject: Subject) -> Verdict:
        """Norms, or means and deviations, of the rows; the share of the variance that lies between columns."""
        values = main(subject.pool.inputs).detach().double().cpu()
        if values.ndim != 2 or values.shape[1] < 4 or len(values) < FEWEST or not bool(values.isfinite().all()):
            raise NotApplicable("inputs are no table")
        between = float(values.mean(0).var(correction=0) / values.var(correction=0).clamp(min=1e-300))
        how = _by_row(values)
        words = f"{between:.0%} of the variance lies between columns"
        return self.judged(
            how is None or between < BY_COLUMN, f"each row has {how}, and {words}" if how else words,
            expected=f"less than {BY_COLUMN:.0%}, or columns that are normalised", measured={"between": between},
        )  # fmt: skip


def _by_row(values: Tensor) -> str | None:
    """What all rows have in common, if they were normalised."""
    if _constant(values.norm(dim=1)) == 1:
        return "norm 1"
    if _constant(values.std(1)) == 1 or _constant(values.std(1, correction=0)) == 1:
        return "deviation 1" if float(values.mean(1).abs().max()) < EXACT else None
    return "sum 1" if _constant(values.sum(1)) == 1 and bool((values >= 0).all()) else None


def _constant(numbers: Tensor) -> float | None:
    return 1.0 if float((numbers - 1).abs().max()) < EXACT else None
