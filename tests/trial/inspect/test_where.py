import numpy as np
import pandas as pd
import pytest

from sweeper.errors import ConfigError
from sweeper.trial.inspect.where import order, where

TABLE = {
    "name": np.array(["a", "b", "c", "d"]),
    "label": np.array(["3", "3", "8", "1"]),
    "issue": np.array(["near_duplicate", "", "label_error near_duplicate", "outlier"]),
    "loss": np.array([0.5, np.nan, 2.0, 0.1]),
    "width": np.array([10, 20, 30, 40]),
}


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ('label == 3 and issue == "near_duplicate"', [0]),
        ("label == '3' or width > 30", [0, 1, 3]),
        ('issue != "near_duplicate"', [1, 3]),
        ('issue in ["outlier", "label_error"]', [2, 3]),
        ("not (loss < 1)", [1, 2]),
        ("10 < width <= 30", [1, 2]),
        ("width * 2 - 10 == 50", [2]),
        ("label not in [3, 8]", [3]),
        ("loss > -1", [0, 2, 3]),
    ],
)
def test_picks_the_rows_that_hold(query, rows):
    assert where(TABLE, query).tolist() == rows


def test_agrees_with_pandas_on_numbers():
    rng = np.random.default_rng(0)
    table = {name: rng.integers(0, 10, 500) for name in "abc"}
    query = "(a > b and not c == 3) or a + b * 2 <= c - 1 or b in [4, 5]"
    assert where(table, query).tolist() == pd.DataFrame(table).query(query).index.tolist()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("lable == 3", r"no column lable \(did you mean 'label'\?\)"),
        ("label ==", r"inspect.where must be a query"),
        ("width", r"it is no comparison"),
        ("__import__('os').system('true') == 0", r"can't be asked"),
        ("name.upper() == 'A'", r"can't be asked"),
        ("issue > 3", r"issue is compared with == or in"),
        ("label in 3", r"`in` wants a list"),
    ],
)
def test_a_mistake_is_one_line(query, message):
    with pytest.raises(ConfigError, match=message) as error:
        where(TABLE, query)
    assert "\n" not in str(error.value)


def test_orders_by_a_column_missing_values_last():
    rows = np.arange(4)
    assert order(TABLE, rows, "-loss").tolist() == [2, 0, 3, 1]
    assert order(TABLE, rows, "loss").tolist() == [3, 0, 2, 1]
    assert order(TABLE, rows, "-label").tolist()[0] == 2
    with pytest.raises(ConfigError, match=r"inspect.sort must be a column, got -los \(did you mean 'loss'\?\)"):
        order(TABLE, rows, "-los")
