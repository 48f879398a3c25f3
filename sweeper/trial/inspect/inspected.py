"""What is known of each example: statistics, duplicates, scores and issues, gathered in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from sweeper.trial.data.encode import encode
from sweeper.trial.data.examples import SPLITS, Array, Examples
from sweeper.trial.data.split import Parts, moments
from sweeper.trial.inspect.duplicates import across, blank, exact_groups, near_groups, several
from sweeper.trial.inspect.label_model import Guesses, guess_labels
from sweeper.trial.inspect.near_images import reduced
from sweeper.trial.inspect.outliers import Outliers, outliers
from sweeper.trial.inspect.resample import Floats, crop
from sweeper.trial.inspect.statistics import image_statistics, row_statistics

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
MODEL_SIDE = 12  # pixels a side that the simple models look at
ROWS = 1024


@dataclass(frozen=True)
class Inspected:
    """Everything about the examples; masks and columns are (examples,).

    ``issues``: by name, which examples have it. ``statistics``: numbers of each example.
    """

    examples: Examples
    parts: Parts
    split: Ints
    statistics: Mapping[str, Array]
    exact: Ints
    near: Ints
    pairs: Array
    outliers: Outliers
    guesses: Guesses | None
    issues: Mapping[str, Mask] = field(default_factory=dict)
    loss: Array | None = None
    prediction: Array | None = None

    @property
    def images(self) -> bool:
        """Whether an example is a picture (channels, height, width)."""
        return are_images(self.examples)

    def labels(self) -> Array:
        """(examples,) the class's name, or the value."""
        if self.examples.classes is None:
            return self.examples.targets
        return np.array(self.examples.classes, dtype=np.str_)[self.examples.targets]

    def table(self) -> dict[str, Array]:
        """The per-example table, a column a name; files that could not be read are its last rows."""
        n = len(self.examples)
        lost = [problem for problem in self.examples.problems if problem.example is None and problem.label is not None]
        labels = self.labels()
        columns: dict[str, Array] = {
            "name": np.array([self.examples.name_of(i) for i in range(n)], dtype=np.str_),
            "split": np.array(SPLITS, dtype=np.str_)[self.split],
            "label": labels,
            "issue": issue_words(self.issues, n),
        }
        if self.loss is not None and self.prediction is not None:
            columns |= {"loss": self.loss, "prediction": self.prediction}
        if self.guesses is not None:
            guess: Array = self.guesses.guess
            if self.examples.classes is not None:
                guess = np.array(self.examples.classes, dtype=np.str_)[guess]
            columns |= {"label_error_score": self.guesses.score, "likely_label": guess}
        columns |= {"outlier_score": self.outliers.score, "outlier_by": self.outliers.by}
        columns["duplicate_group"] = np.where(several(self.near), self.near, -1)
        columns |= dict(self.statistics)
        for name, values in self.examples.facts.items():
            if name not in ("digest", "oddities"):
                columns.setdefault(name, values)
        if not lost:
            return columns
        rows: dict[str, list[object]] = {
            "name": [p.where for p in lost],
            "split": [p.split or "" for p in lost],
            "label": [p.label for p in lost],
            "issue": [p.issue for p in lost],
        }
        return {name: _longer(values, rows.get(name), len(lost)) for name, values in columns.items()}


def _longer(values: Array, more: list[object] | None, count: int) -> Array:
    if more is not None:
        return np.concatenate([values.astype(np.str_), np.array(more, dtype=np.str_)])
    if values.dtype.kind in "US":
        return np.concatenate([values, np.full(count, "", dtype=values.dtype)])
    if values.dtype.kind in "iu" and values.min() < 0:
        return np.concatenate([values, np.full(count, -1)])
    return np.concatenate([values.astype(np.float64), np.full(count, np.nan)])


def issue_words(issues: Mapping[str, Mask], n: int) -> Array:
    """(examples,) the names of an example's issues, a space between; empty where there is none."""
    words = [""] * n
    for name, mask in issues.items():
        for row in np.flatnonzero(mask):
            words[row] += f" {name}"
    return np.array([word.strip() for word in words], dtype=np.str_)


def are_images(examples: Examples) -> bool:
    """Whether inputs are (examples, channels, height, width) with a usual number of channels."""
    return examples.inputs.ndim == 4 and examples.inputs.shape[1] in (1, 3, 4)


def inspect_examples(examples: Examples, parts: Parts, note: Callable[[str], None]) -> Inspected:
    """Measure everything; ``note`` is told what is under way."""
    n = len(examples)
    split = np.zeros(n, np.int64)
    for number, part in enumerate(parts):
        split[part] = number
    note("statistics")
    pictures = are_images(examples)
    images = _reduced(examples.inputs) if pictures else None
    rows = _rows(examples, images, parts[0])
    statistics = image_statistics(examples) if pictures else row_statistics(examples)
    note("exact duplicates")
    exact = exact_groups(examples.inputs)
    note("near duplicates")
    near, pairs = near_groups(examples, exact, images, rows)
    note("label errors")
    guesses = _guesses(examples, rows, near)
    note("outliers")
    found = outliers(statistics, rows)
    result = Inspected(examples, parts, split, statistics, exact, near, pairs, found, guesses)
    return replace(result, issues=_issues(result))


def _reduced(inputs: Array) -> Floats:
    scale = 255.0 if inputs.dtype == np.uint8 else max(float(np.nanmax(np.abs(inputs))), 1e-12)
    chunks = (inputs[at : at + ROWS] for at in range(0, len(inputs), ROWS))
    return np.concatenate([reduced(np.nan_to_num(chunk), scale) for chunk in chunks])


def _rows(examples: Examples, images: Floats | None, train: Ints) -> Floats:
    """(examples, features) of mean 0 and deviation 1 for the simple models: few pixels, or encoded columns."""
    if images is not None:
        side = min(MODEL_SIDE, images.shape[-1])
        small = [crop(images[at : at + ROWS], 0, 0, 1, side) for at in range(0, len(images), ROWS)]
        raw = np.concatenate(small).reshape(len(images), -1)
        mean, std = moments(raw)
        return np.asarray((raw - mean) / max(float(np.sqrt(np.square(std).mean())), 1e-9), np.float32)  # one scale
    if examples.columns is not None:
        raw = encode(examples.inputs, examples.columns, train)
    else:
        raw = np.nan_to_num(examples.inputs.reshape(len(examples), -1).astype(np.float64))
    mean, std = moments(raw)
    return np.asarray(np.clip((raw - mean) / std, -10, 10), np.float32)


def _guesses(examples: Examples, rows: Floats, near: Ints) -> Guesses | None:
    kinds = {problem.issue for problem in examples.problems}
    holes = "target_missing" in kinds or ("mixed_types" in kinds and examples.classes is None)
    values = examples.targets
    if len(examples) < 50 or holes or len(np.unique(values)) < 2 or not np.isfinite(values).all():
        return None
    return guess_labels(rows, values, None if examples.classes is None else len(examples.classes), near)


def _issues(found: Inspected) -> dict[str, Mask]:
    """Which examples have which issue, the gravest first."""
    examples, n = found.examples, len(found.examples)
    issues: dict[str, Mask] = {}
    for problem in examples.problems:
        if problem.example is not None:
            issues.setdefault(problem.issue, np.zeros(n, bool))[problem.example] = True
    exact, near = several(found.exact), several(found.near)
    issues["cross_split_duplicate"] = across(found.near, found.split)
    issues["conflicting_labels"] = near & across(found.near, _label_numbers(examples))
    issues["exact_duplicate"] = exact
    paired = np.zeros(n, bool)
    paired[np.isin(found.exact, found.exact[found.pairs.ravel()])] = True
    issues["near_duplicate"] = near & paired
    if found.guesses is not None:
        issues["label_error"] = found.guesses.wrong
    issues["outlier"] = found.outliers.marked
    if found.images:
        issues["blank"] = blank(examples.inputs)
    elif examples.inputs.dtype.kind == "f":
        flat = examples.inputs.reshape(n, -1)
        issues["missing_value" if examples.columns is not None else "nan"] = np.asarray(np.isnan(flat).any(1))
        issues["infinite"] = issues.get("infinite", np.zeros(n, bool)) | np.asarray(np.isinf(flat).any(1))
    for words in {word for line in examples.facts.get("oddities", np.array([])) for word in line.split()}:
        issues[words] = np.array([words in line.split() for line in examples.facts["oddities"]])
    return {name: mask for name, mask in issues.items() if mask.any()}


def _label_numbers(examples: Examples) -> Ints:
    return np.unique(examples.targets, return_inverse=True)[1].astype(np.int64)
