"""The encoding of a table: cells of every kind, each rule checked by hand, in a file that imports nothing from Headstart."""

from __future__ import annotations

import ast
import datetime
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.tables import preprocess as encoding
from headstart.data.tables.preprocess import PLAIN, as_days, as_numbers, as_text, code_sizes, dense_width, encode, typed

NUMBER = {"name": "n", "kind": "number", "fill": 3.0, "flag": True, "transform": "none", "offset": 1.0, "scale": 2.0} | {
    "range": [-1e30, 1e30],
    "written": PLAIN,
}
DATE = {"name": "d", "kind": "date", "fill": 0.0, "flag": False, "holds": "date", "order": "DMY", "digits": False}
DATE |= {"periods": [365.2425, 7.0], "offset": 0.0, "scale": 365.2425}
CATEGORY = {"name": "c", "kind": "category", "levels": ["a", "b", ""], "two_way": False}
CODED = CATEGORY | {"codes": ["b", "a"]}


def one(spec: dict[str, Any], cells: Any) -> list[list[float]]:
    """The rows that one column becomes."""
    dense = dense_width(spec)
    whole = {"format": 1, "separator": "", "width": dense + ("codes" in spec), "num_dense": dense, "columns": [spec]}
    rows: list[list[float]] = encode({spec["name"]: cells}, json.loads(json.dumps(whole))).tolist()
    return rows


def test_number() -> None:
    """A number is standardised and clipped; a missing one is filled and flagged."""
    assert one(NUMBER, ["5", "?", None, "1e9"]) == [[2, 0], [1, 1], [1, 1], [8, 0]]
    assert one(NUMBER | {"flag": False}, [-1e9, math.nan]) == [[-8], [1]]


def test_logarithm() -> None:
    """The logarithm is taken on both sides of zero."""
    spec = NUMBER | {"transform": "log", "offset": 0.0, "scale": 1.0, "flag": False}
    rows = one(spec, [0, math.expm1(2), -math.expm1(1)])
    assert rows == [[0], [pytest.approx(2)], [pytest.approx(-1)]]


def test_quantiles() -> None:
    """Between knots the value is a straight line, beyond them it stays."""
    line = {"transform": "quantile", "knots": [0.0, 1.0, 3.0], "values": [-1.0, 0.0, 1.0], "offset": 0.0, "scale": 1.0}
    rows = one(NUMBER | line | {"flag": False}, [-9, 0, 0.5, 1, 2, 3, 99])
    assert np.ravel(rows).tolist() == [-1, -1, -0.5, 0, 0.5, 1, 1]


def test_date() -> None:
    """A date is its days, and its place in each period: linear, sine and cosine."""
    rows = np.array(one(DATE, ["1970-01-01", "8.1.1970", ""]))
    assert rows[0].tolist() == [0, -1, 0, 1, -1, 0, 1]
    assert rows[1, 4:].tolist() == [-1, 0, 1]  # a week later
    assert rows[1, 0] == pytest.approx(7 / 365.2425)
    assert rows[1, 1] == pytest.approx(2 * 7 / 365.2425 - 1)
    assert rows[1, 2] == pytest.approx(math.sin(2 * math.pi * 7 / 365.2425))
    assert rows[2].tolist() == rows[0].tolist()


def test_category() -> None:
    """A level has a column of its own, what is none of them the last; missing may be a level."""
    assert one(CATEGORY, ["b", "?", "new", 3.0]) == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert one(CATEGORY | {"levels": ["no", "yes"], "two_way": True}, ["yes", "no", "maybe"]) == [[1], [0], [0.5]]


def test_codes_stand_last() -> None:
    """A code is behind all dense columns, 0 for what is not known."""
    columns = [CODED, NUMBER, CODED | {"name": "c2", "codes": ["b"]}]
    whole = {"format": 1, "separator": "", "width": 12, "num_dense": 10, "columns": columns}
    rows = encode({"n": [1, 1], "c": ["a", "x"], "c2": ["b", None], "unused": [0, 0]}, whole)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 1], [0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]]
    assert code_sizes(whole) == [3, 2]


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1e3", 1000), (" 5 ", 5), ("+3", 3), (True, 1), (np.float32(2.5), 2.5), ("inf", math.inf), ("1e999", math.inf)]
    + [(10**400, math.inf)]
    + [(cell, math.nan) for cell in ("1_000", "", "?", "three", None, pd.NA, pd.NaT, [1], "1,5", "0x10")],
)
def test_what_is_a_number(cell: Any, number: float) -> None:
    """What Python reads as a number is one, underscores apart; anything else is missing and never an error."""
    assert as_numbers([cell, "7"]).tolist() == pytest.approx([number, 7], nan_ok=True)


@pytest.mark.parametrize(
    ("cell", "days"),
    [("2024-01-31", 19753), ("2024-01-31 12:00", 19753.5), ("2024-01-31T00:00:00+06:00", 19752.75), ("31.1.2024", 19753)]
    + [
        ("2024/1/31", 19753),
        ("31-01-24 06:00:00", 19753.25),
        ("2/1/1970", 1),
        ("1/1/69", -365),
        (datetime.date(1970, 1, 2), 1),
    ]
    + [(pd.Timestamp("1970-01-02", tz="UTC"), 1), (np.datetime64("1970-01-03"), 2)]
    + [(cell, math.nan) for cell in ("1/31/2024", "31.2.2024", "soon", "", None, pd.NaT, 5, "1.2-2024", "2024-01-31 25:00")],
)
def test_what_is_a_date(cell: Any, days: float) -> None:
    """ISO dates, dates with the day first, and date objects, in UTC; anything else is missing and never an error."""
    assert as_days([cell]).tolist() == pytest.approx([days], nan_ok=True)


def test_dates_in_arrays() -> None:
    """Arrays of dates and of days are taken as they are; the month may come first."""
    assert as_days(np.array(["1970-01-03", "NaT"], "datetime64[ns]")).tolist() == pytest.approx([2, math.nan], nan_ok=True)
    assert as_days(np.array([2.5])).tolist() == [2.5]
    assert as_days(["1/31/1970"], DATE | {"order": "MDY"}).tolist() == [30]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (" a ", "a"),
        (3.0, "3"),
        (3, "3"),
        (2.5, "2.5"),
        (np.float32(3.3), "3.3"),
        (True, "True"),
        ("TRUE", "True"),
        (" false", "False"),
        (np.bool_(False), "False"),
        ("3.0", "3.0"),
        ("x" * 999, "x" * 128),
    ]
    + [("a\0", "a"), ("\ud800b", "?b"), (1e300, "1e+300"), (math.inf, "inf")]
    + [
        (cell, "")
        for cell in ("", "?", "NA", " n/a ", "NaN", "null", "None", "-", ".", None, math.nan, pd.NA, pd.NaT, "\ud800")
    ],
)
def test_what_is_text(cell: Any, text: str) -> None:
    """Text is stripped and bounded, whole numbers have no point, and markers of what is missing are empty."""
    assert as_text([cell, "z"]).tolist() == [text, "z"]


@pytest.mark.parametrize(
    "cells",
    [
        [1.0, 2.0],
        np.array([1, 2]),
        np.array([[1.0], [2.0]]),
        pd.Series([1, 2], dtype="Int64"),
        ("1", 2),
        np.array(["1", "2"]),
    ],
)
def test_columns_of_every_kind(cells: Any) -> None:
    """Lists, tuples, arrays, columns ``(n, 1)`` and series are the same column."""
    assert one(NUMBER, cells) == [[0, 0], [0.5, 0]]


def test_column_that_is_not_there() -> None:
    """A column that is absent is named; it is not taken for a missing one."""
    with pytest.raises(ValueError, match="no column 'n': the columns are 'm'"):
        typed({"m": [1]}, {"columns": [NUMBER]})
    with pytest.raises(ValueError, match="different lengths: 1, 2"):
        typed({"n": [1], "c": ["a", "b"]}, {"columns": [NUMBER, CATEGORY]})


def test_no_rows() -> None:
    """No rows give no rows."""
    whole = {"format": 1, "separator": "", "width": 4, "num_dense": 3, "columns": [CATEGORY, NUMBER]}
    assert encode({"n": [], "c": []}, whole | {"width": 6, "num_dense": 6}).shape == (0, 6)


def test_cells_that_count_as_missing_are_told() -> None:
    """How many, and some of them, where the function was called; once only, and never of cells that are empty."""
    columns = {
        "n": ["one", "two", "?", math.inf, pd.NA, "1\n" + "1" * 99],
        "d": ["soon", "", None, pd.NaT, "1.1.2024", "N/A"],
    }
    whole = {"format": 1, "separator": "", "width": 9, "num_dense": 9, "columns": [NUMBER, DATE]}
    with pytest.warns(UserWarning, match="treated as missing") as told:
        once = typed(columns, whole)
    assert [str(warning.message) for warning in told] == [
        'n: 3 of 6 cells are not numbers and are treated as missing ("1 %s", "one", "two")' % ("1" * 38),
        'n: 1 of 6 cells is infinite and is treated as missing ("inf")',
        'd: 1 of 6 cells is not a date and is treated as missing ("soon")',
    ]
    assert {warning.filename for warning in told} == {__file__}
    with pytest.warns(UserWarning, match="treated as missing") as told:
        encode(columns, whole)
    assert len(told) == 3
    assert {warning.filename for warning in told} == {__file__}
    encode(once, whole)  # warnings are errors


CELLS = st.one_of(
    st.text(max_size=9), st.floats(), st.integers(), st.none(), st.booleans(), st.datetimes(), st.binary(max_size=3)
)


@given(st.lists(CELLS, min_size=1, max_size=9))
def test_any_cells_become_finite_rows(cells: list[Any]) -> None:
    """Whatever the cells are, rows are finite; what has been typed once stays as it is."""
    columns = [NUMBER, DATE, CODED]
    whole = {"format": 1, "separator": "", "width": 14, "num_dense": 13, "columns": columns}
    given_cells = {spec["name"]: cells for spec in columns}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*(treated as missing|outside the range|training data)", UserWarning)
        rows, once = encode(given_cells, whole), typed(given_cells, whole)
    assert np.isfinite(rows).all()
    twice = typed(once, whole)
    assert all(np.array_equal(once[name], twice[name], equal_nan=once[name].dtype.kind == "f") for name in once)


def test_file_stands_alone() -> None:
    """It imports NumPy and the standard library, and nothing else: it is shipped beside exported models."""
    tree = ast.parse(Path(str(encoding.__file__)).read_text("utf-8"))
    roots = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    roots |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert roots == {
        "__future__",
        "collections",
        "datetime",
        "functools",
        "itertools",
        "math",
        "numpy",
        "re",
        "typing",
        "warnings",
    }
