"""Four data sets that scikit-learn carries, read from its files: importing it would take two seconds."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from sweeper.errors import ConfigError
from sweeper.trial.data.examples import Array, Examples


def digits() -> Examples:
    """1,797 digits (1, 8, 8), grey levels 0 to 16; UCI Optical Recognition of Handwritten Digits, 1998."""
    table = _numbers("digits.csv.gz", delimiter=",")
    images = table[:, :-1].reshape(-1, 1, 8, 8).astype(np.float32)
    return Examples("digits", images, table[:, -1].astype(np.int64), tuple("0123456789"))


def wine() -> Examples:
    """178 wines of three growers, 13 chemical measurements; UCI Wine, 1991."""
    return _classes("wine", "wine_data.csv")


def breast_cancer() -> Examples:
    """569 tumours, malignant (0) or benign (1, 63 %), 30 measurements; UCI Wisconsin Diagnostic, 1995."""
    return _classes("breast_cancer", "breast_cancer.csv")


def diabetes() -> Examples:
    """442 patients, 10 measurements; target: progression after a year, 25 to 346 (Efron et al. 2004)."""
    return Examples("diabetes", _numbers("diabetes_data_raw.csv.gz"), _numbers("diabetes_target.csv.gz"))


def _classes(name: str, file: str) -> Examples:
    """A table whose first line is its sizes and the classes' names, its last column the class."""
    with open(_path(file), encoding="utf-8") as lines:
        classes = tuple(lines.readline().strip().split(",")[2:])
    table = _numbers(file, delimiter=",", skiprows=1)
    return Examples(name, table[:, :-1], table[:, -1].astype(np.int64), classes)


def _numbers(file: str, *, delimiter: str | None = None, skiprows: int = 0) -> Array:
    path = _path(file)
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8") as lines:
        return np.loadtxt(lines, delimiter=delimiter, skiprows=skiprows)


def _path(file: str) -> Path:
    package = importlib.util.find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ConfigError("data needs scikit-learn, which carries it; pip install scikit-learn")
    return Path(package.submodule_search_locations[0], "datasets", "data", file)
