"""``inspect.where`` and ``inspect.sort``: picking rows by a query and ordering them by a column."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeper.errors import ConfigError, nearest

Array = npt.NDArray[Any]
Table = Mapping[str, Array]

COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
COMPUTE: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
SETS = ("issue",)  # columns of words of which a row has several: == means that one of them is it


def where(table: Table, query: str) -> Array:
    """Indices of the rows that ``query`` holds for, such as ``label == 3 and issue == "near_duplicate"``.

    Columns, numbers, quoted words, comparisons, ``in [..]``, ``and``, ``or``, ``not``, + - * / and brackets;
    nothing else, so that a query can do nothing but ask. Text equals a number that is written so.
    """
    try:
        tree = ast.parse(query.strip(), mode="eval")
        picked = _value(tree.body, table, query)
    except (SyntaxError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise _wrong(query, str(error)) from error
    length = len(next(iter(table.values())))
    if np.shape(picked) != (length,) or np.asarray(picked).dtype != np.bool_:
        raise _wrong(query, "it is no comparison")
    return np.flatnonzero(picked)


def order(table: Table, rows: Array, key: str) -> Array:
    """The rows by a column, ascending; ``-loss`` descending; those without a value last."""
    name = key.removeprefix("-")
    if name not in table:
        raise ConfigError(
            f"inspect.sort must be a column, got {key}{nearest(name, table)}; there are {', '.join(table)}"
        )
    values = table[name][rows]
    if values.dtype.kind in "fiub":
        numbers = values.astype(float)
        missing = np.isnan(numbers)
        return rows[np.lexsort((-numbers if key.startswith("-") else numbers, missing))]
    sorted_ = np.argsort(values.astype(str), kind="stable")
    return rows[sorted_[::-1] if key.startswith("-") else sorted_]


def _wrong(query: str, reason: str) -> ConfigError:
    example = 'label == 3 and issue == "near_duplicate"'
    return ConfigError(f"inspect.where must be a query such as {example}, got {query}: {reason}; repair it")


def _value(node: ast.expr, table: Table, query: str) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.Name(id=name):
            if name not in table:
                raise _wrong(query, f"no column {name}{nearest(name, table)}, there are {', '.join(table)}")
            return table[name]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, table, query) for part in parts]
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return np.logical_not(_value(inner, table, query))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, table, query)
        case ast.BoolOp(op=op, values=parts):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return join.reduce([_value(part, table, query) for part in parts])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in COMPUTE:
            return COMPUTE[type(op)](_value(left, table, query), _value(right, table, query))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [left, *others]
            results = [_compared(a, op, b, table, query) for a, op, b in zip(sides[:-1], ops, sides[1:], strict=True)]
            return np.logical_and.reduce(results)
    raise _wrong(query, f"{ast.unparse(node)} can't be asked")


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr, table: Table, query: str) -> Any:
    a, b = _value(left, table, query), _value(right, table, query)
    if isinstance(left, ast.Name) and left.id in SETS:
        return _has(a, op, b, query)
    if isinstance(op, (ast.In, ast.NotIn)):
        if not isinstance(b, list):
            raise _wrong(query, "`in` wants a list, as in label in [3, 5]")
        found = np.logical_or.reduce([np.equal(*_alike(a, one)) for one in b]) if b else np.zeros(len(a), bool)
        return found if isinstance(op, ast.In) else ~found
    if type(op) not in COMPARE:
        raise _wrong(query, "only == != < <= > >= in, not in compare")
    return COMPARE[type(op)](*_alike(a, b))


def _has(words: Array, op: ast.cmpop, wanted: Any, query: str) -> Array:
    listed = [str(one) for one in wanted] if isinstance(wanted, list) else [str(wanted)]
    hit = np.array([bool(set(row.split()) & set(listed)) for row in words])
    if isinstance(op, (ast.Eq, ast.In)):
        return hit
    if isinstance(op, (ast.NotEq, ast.NotIn)):
        return ~hit
    raise _wrong(query, "issue is compared with == or in")


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as text where one is text: a label ``3`` is a word where classes have names."""
    textual = [isinstance(x, str) or getattr(getattr(x, "dtype", None), "kind", "") in ("U", "S") for x in (a, b)]
    return (np.asarray(a).astype(str), np.asarray(b).astype(str)) if any(textual) else (a, b)
