"""``data=table``: CSV and Parquet, numbers and categories, a target column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import to_absolute_path

from sweeper.errors import ConfigError, nearest, require, words
from sweeper.trial.data.examples import SPLITS, Array, Column, Examples, Problem
from sweeper.trial.data.overrides import listed
from sweeper.trial.data.targets import targets_of

MIXED = 0.5  # a column of words of which more than this share are numbers is a column of numbers with words in it
SEPARATORS = (";", "\t", "|")
SHOWN = 1000  # problems of one column that are kept: enough to see, bounded in memory


def table(
    *, path: str | Mapping[str, str], target: str, task: str, categorical: Sequence[str], drop: Sequence[str],
    max_categories: int, missing: Sequence[str], split_column: str | None = None, split_group: str | None = None,
) -> Examples:  # fmt: skip
    """A row an example; numbers as they are, words and ``categorical`` columns as categories, holes as NaN.

    ``path`` is a file, or ``{train: …, val: …, test: …}``. ``split_column`` holds train, val and test;
    ``split_group`` what must stay together. Neither they nor ``drop`` are inputs.
    """
    frame, split, names = _read(path, missing)
    columns = [str(name) for name in frame.columns]
    for key, name in {"target": target, "split.column": split_column, "split.group": split_group}.items():
        _require(key, name, columns)
    for key, wanted in {"drop": drop, "categorical": categorical}.items():
        for name in wanted:
            _require(key, name, columns)
    if split_column is not None:
        split = _split_of(frame[split_column], split_column)

    if kind := _neither(frame[target]):
        raise ConfigError(f"data.target must be numbers or words, got {kind} in column {target}; name another column")
    holes = frame[target].isna().to_numpy()
    problems = [
        Problem(f"column {target}, row {names[row]}", "target_missing", "no value", example=int(row))
        for row in np.flatnonzero(holes)[:SHOWN]
    ]
    if holes.all():
        raise ConfigError(f"data.target must have values, got none in column {target}; name another column")
    targets, classes, mixed = _target(frame[target], holes, task, target, names)
    problems += mixed

    used = [name for name in columns if name not in {target, split_column, split_group, *drop}]
    if not used:
        raise ConfigError(f"data.path must have a column beside the target {target}, got {columns}; check data.drop")
    inputs = np.empty((len(frame), len(used)), np.float64)
    described = []
    for place, name in enumerate(used):
        inputs[:, place], column, found = _column(frame[name], name, name in categorical, max_categories, names)
        described.append(column)
        problems += found
    groups = None if split_group is None else np.unique(frame[split_group].astype(str), return_inverse=True)[1]
    first = path if isinstance(path, str) else next(iter(path.values()))
    return Examples(
        Path(first).stem, inputs, targets, classes, names=names, columns=tuple(described), split=split, groups=groups,
        problems=tuple(problems),
    )  # fmt: skip


def _read(path: str | Mapping[str, str], missing: Sequence[str]) -> tuple[Any, Array | None, Array]:
    """The rows of all files, the split that each file is, and a name a row: its number, after its split's."""
    if isinstance(path, str):
        frame = _read_file("data.path", path, missing)
        return frame, None, np.arange(len(frame))
    if "train" not in path or not set(path) <= set(SPLITS):
        raise ConfigError(f"data.path must be a file or give train, val and test, got {sorted(path)}; name a file")
    import pandas as pd

    frames = {name: _read_file(f"data.path.{name}", path[name], missing) for name in SPLITS if path.get(name)}
    for name, frame in frames.items():
        if set(frame.columns) != set(frames["train"].columns):
            different = sorted(map(str, set(frame.columns) ^ set(frames["train"].columns)))
            raise ConfigError(f"data.path.{name} must have train's columns, they differ in {different[0]}; repair it")
    split = np.concatenate([np.full(len(frame), SPLITS.index(name)) for name, frame in frames.items()])
    names = np.array([f"{name}:{row}" for name, frame in frames.items() for row in range(len(frame))], dtype=np.str_)
    return pd.concat(list(frames.values()), ignore_index=True), split, names


def _read_file(key: str, path: str, missing: Sequence[str]) -> Any:
    require("data=table", "pandas", "pyarrow")
    import pandas as pd

    file = Path(to_absolute_path(path))
    if not file.is_file():
        raise ConfigError(f"{key} must be a CSV or Parquet file, got {path}, which is not there; check the path")
    twice: list[str] = []
    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            frame = pd.read_parquet(file)
        else:
            separator = "\t" if file.suffix.lower() == ".tsv" else ","
            frame = pd.read_csv(file, sep=separator, na_values=list(missing), low_memory=False)
            header = pd.read_csv(file, sep=separator, header=None, nrows=1, dtype=str).iloc[0].dropna()
            twice = list(header[header.duplicated()])
    except UnicodeDecodeError as error:
        encoding = "utf-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
        raise ConfigError(
            f"{key} must be UTF-8, got other bytes in {path}; write it anew: "
            f"pandas.read_csv(path, encoding={encoding!r}).to_csv('new.csv', index=False)"
        ) from error
    except Exception as error:  # parsers raise their own kinds, beside OSError, ValueError and UnicodeDecodeError
        reason = words(error)[:200]
        raise ConfigError(f"{key} must be a readable CSV or Parquet file, got {path}: {reason}; repair it") from error
    if len(frame.columns) == 1 and (other := next((sign for sign in SEPARATORS if sign in str(frame.columns[0])), "")):
        raise ConfigError(
            f"{key} must have commas between its columns, got {other!r} in {path}; write it anew: "
            f"pandas.read_csv(path, sep={other!r}, decimal=',').to_csv('new.csv', index=False)"
        )
    if twice:
        raise ConfigError(f"{key} must have columns of different names, got {twice[0]} twice in {path}; rename one")
    if len(frame) == 0:
        raise ConfigError(f"{key} must have rows, got none in {path}; check the file")
    return frame


def _require(key: str, name: str | None, columns: list[str]) -> None:
    if name is not None and name not in columns:
        some = ", ".join(columns[:12]) + (" …" if len(columns) > 12 else "")
        raise ConfigError(f"data.{key} must be a column, got {name}{nearest(name, columns)}; the columns are {some}")


def _split_of(values: Any, name: str) -> Array:
    words = values.astype(str).str.strip().str.lower().replace({"validation": "val", "valid": "val"})
    if strange := sorted(set(words) - set(SPLITS)):
        raise ConfigError(f"data.split.column must hold train, val and test, got {strange[0]!r} in {name}; repair it")
    numbers: Array = words.map({split: number for number, split in enumerate(SPLITS)}).to_numpy(np.int64)
    return numbers


def _target(
    values: Any, holes: Array, task: str, name: str, names: Array
) -> tuple[Array, tuple[str, ...] | None, list[Problem]]:
    """Targets of all rows; a hole gets the first class or the mean, and is a problem of its own."""
    import pandas as pd

    known = values[~holes]
    problems: list[Problem] = []
    if _is_words(known):
        numbers = pd.to_numeric(known, errors="coerce")
        if task == "regression" or (task == "auto" and MIXED < numbers.notna().mean() < 1):
            rows = np.flatnonzero(numbers.isna().to_numpy())
            if len(rows) == len(known):
                targets_of(known.to_numpy(object), task, name)  # says that words can't be values
            places = np.flatnonzero(~holes)[rows]
            problems = [_mixed(name, values, int(row), names) for row in places[:SHOWN]]
            known = numbers.fillna(numbers.mean())
    raw = known.to_numpy()
    found, classes = targets_of(raw.astype(np.str_) if raw.dtype.kind not in "iufb" else raw, task, name)
    targets = np.full(len(values), 0 if classes is not None else found.mean(), found.dtype)
    targets[~holes] = found
    return targets, classes, problems


def _column(
    values: Any, name: str, categorical: bool, max_categories: int, names: Array
) -> tuple[Array, Column, list[Problem]]:
    """A column as numbers (or numbers of categories), what it is, and the cells that don't fit it."""
    import pandas as pd

    kind = values.dtype.kind if isinstance(values.dtype, np.dtype) else ""
    if kind == "M" or isinstance(values.dtype, pd.DatetimeTZDtype):
        days = (values - pd.Timestamp(0, tz=getattr(values.dtype, "tz", None))) / pd.Timedelta(days=1)
        return days.to_numpy(np.float64), Column(name), []
    if other := _neither(values):
        detail = f"{other}, which are neither numbers nor words; 'data.drop={listed([name])}' leaves the column out"
        return np.full(len(values), np.nan), Column(name), [Problem(f"column {name}", "mixed_types", detail)]
    words = _is_words(values)
    if not words and not categorical:
        numbers = values.to_numpy(np.float64, na_value=np.nan, copy=True)
        outside = np.abs(numbers) > np.finfo(np.float32).max
        rows = np.flatnonzero(outside)[:SHOWN]
        found = [
            Problem(f"column {name}, row {names[row]}", "infinite", _large(numbers[row]), example=int(row))
            for row in rows
        ]
        numbers[outside] = np.nan
        return numbers, Column(name), found
    if words and not categorical:
        numbers = pd.to_numeric(values, errors="coerce")
        known = values.notna()
        if known.any() and numbers.notna().sum() / known.sum() > MIXED:
            rows = np.flatnonzero((known & numbers.isna()).to_numpy())[:SHOWN]
            return numbers.to_numpy(np.float64, na_value=np.nan), Column(name), [
                _mixed(name, values, int(row), names) for row in rows
            ]  # fmt: skip
    if words and not categorical and (row := _dressed(values)) is not None:
        detail = (
            f"{str(values.iloc[row])[:40]!r} looks like a number with a sign or a comma in it; write it as 1234.5, or "
            f"'data.categorical={listed([name])}' keeps these words"
        )
        return np.full(len(values), np.nan), Column(name), [
            Problem(f"column {name}, row {names[row]}", "mixed_types", detail)
        ]  # fmt: skip
    codes, categories = pd.factorize(values.astype(str).where(values.notna()), sort=True)
    problems = []
    if len(categories) > max_categories:
        detail = (
            f"{len(categories)} different words in {len(values)} rows, more than data.max_categories={max_categories}; "
            f"an identifier or a text? 'data.drop={listed([name])}' leaves it out"
        )
        problems.append(Problem(f"column {name}", "too_many_categories", detail))
    return np.where(codes < 0, np.nan, codes), Column(name, tuple(map(str, categories))), problems


def _large(value: float) -> str:
    return "infinity" if np.isinf(value) else f"{value:.3g}, more than single precision holds"


def _dressed(values: Any) -> int | None:
    """The first row of a column of words that are numbers but for commas, signs of percent and of currency."""
    import pandas as pd

    known = values[values.notna()].astype(str)
    plain = pd.to_numeric(known.str.replace(r"[\s,%$€£¥']", "", regex=True), errors="coerce")
    return int(np.flatnonzero(values.notna())[0]) if len(known) and plain.notna().all() else None


def _neither(values: Any) -> str | None:
    """What the cells of a column are if neither numbers nor words (lists, structs, bytes, dates); else None."""
    if getattr(values.dtype, "kind", "") == "M":
        return "dates"
    if values.dtype != object:
        return None
    nested = (list, tuple, dict, set, bytes, np.ndarray)
    first = next((cell for cell in values if isinstance(cell, nested)), None)
    names = {np.ndarray: "lists", dict: "structs", bytes: "bytes"}
    return None if first is None else names.get(type(first), "lists")


def _is_words(values: Any) -> bool:
    from pandas.api import types

    return not (types.is_numeric_dtype(values) or types.is_bool_dtype(values))


def _mixed(name: str, values: Any, row: int, names: Array) -> Problem:
    detail = f"{str(values.iloc[row])[:40]!r} in a column of numbers; data.missing=[…] takes such words for holes"
    return Problem(f"column {name}, row {names[row]}", "mixed_types", detail, example=row)
