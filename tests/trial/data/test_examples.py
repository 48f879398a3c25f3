import numpy as np
import pytest

from sweeper.errors import ConfigError
from sweeper.trial.data.examples import Examples, check

INPUTS = np.ones((4, 2))
LABELS = np.array([0, 1, 0, 1])
NAN = np.where(np.arange(8).reshape(4, 2) == 5, np.nan, 1.0)


@pytest.mark.parametrize(
    ("inputs", "targets", "classes", "message"),
    [
        (INPUTS[:0], LABELS[:0], ("a", "b"), "must have examples, got none"),
        (INPUTS, LABELS[:3], ("a", "b"), r"one target an example, got inputs \(4, 2\) and targets \(3,\)"),
        (INPUTS[:, 0], LABELS, ("a", "b"), "inputs"),
        (NAN, LABELS, ("a", "b"), r"got NaN or infinity in 1 of 4 examples \(first: 2\)"),
        (INPUTS, LABELS * 0, ("a", "b"), "two classes or more, got only class 0"),
        (INPUTS, LABELS + 1, ("a", "b"), r"targets in \[0, 1\], got 1 to 2"),
        (INPUTS, LABELS * 0.5, ("a", "b"), "class numbers"),
        (INPUTS, np.array([1, np.inf, 2, 3]), None, "finite numbers as targets"),
        (INPUTS, np.full(4, 2.5), None, "targets that differ, got 2.5 everywhere"),
    ],
)
def test_unusable_examples_are_an_error(inputs, targets, classes, message):
    with pytest.raises(ConfigError, match=f"data=mine .*{message}"):
        check(Examples("mine", inputs, targets, classes))


def test_usable_ones_pass():
    check(Examples("mine", INPUTS, LABELS, ("a", "b")))
    check(Examples("mine", INPUTS, LABELS * 1.5))
