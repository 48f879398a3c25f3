"""All verdicts on data, in order: what spoils training most first."""

from __future__ import annotations

from collections.abc import Callable

from sweeper.trial.inspect.inspected import Inspected
from sweeper.trial.inspect.judged.classes import classes_balanced, splits_sound
from sweeper.trial.inspect.judged.duplicates import (
    duplicates_agree,
    no_exact_duplicates,
    no_near_duplicates,
    splits_disjoint,
)
from sweeper.trial.inspect.judged.files import files_readable, files_usual, no_blanks, sizes_alike
from sweeper.trial.inspect.judged.labels import labels_likely, losses_even
from sweeper.trial.inspect.judged.values import features_vary, few_outliers, values_usable
from sweeper.trial.verdict import Verdict

VERDICTS: tuple[Callable[[Inspected], Verdict], ...] = (
    files_readable, values_usable, classes_balanced, splits_sound, splits_disjoint, duplicates_agree, labels_likely,
    no_exact_duplicates, no_near_duplicates, no_blanks, features_vary, files_usual, sizes_alike, few_outliers,
    losses_even,
)  # fmt: skip


def verdicts(found: Inspected) -> tuple[Verdict, ...]:
    """All verdicts, in order."""
    return tuple(judge(found) for judge in VERDICTS)
