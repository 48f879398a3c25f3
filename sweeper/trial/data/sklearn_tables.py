"""Four data sets that scikit-learn carries; importing it takes a second or two, so only on call."""

from __future__ import annotations

from typing import Any

import numpy as np

from sweeper.trial.data.examples import Examples


def digits() -> Examples:
    """1,797 digits (1, 8, 8), grey levels 0 to 16; UCI Optical Recognition of Handwritten Digits, 1998."""
    table = _table("digits")
    return Examples("digits", table.images[:, None].astype(np.float32), table.target, _names(table))


def wine() -> Examples:
    """178 wines of three growers, 13 chemical measurements; UCI Wine, 1991."""
    table = _table("wine")
    return Examples("wine", table.data, table.target, _names(table))


def breast_cancer() -> Examples:
    """569 tumours, malignant (0) or benign (1, 63 %), 30 measurements; UCI Wisconsin Diagnostic, 1995."""
    table = _table("breast_cancer")
    return Examples("breast_cancer", table.data, table.target, _names(table))


def diabetes() -> Examples:
    """442 patients, 10 measurements; target: progression after a year, 25 to 346 (Efron et al. 2004)."""
    table = _table("diabetes")
    return Examples("diabetes", table.data, table.target)


def _table(name: str) -> Any:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")()


def _names(table: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in table.target_names)
