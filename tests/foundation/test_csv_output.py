"""CSV files: a spreadsheet runs nothing in them, and everything in them can be read back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headstart
from headstart.foundation.csv_output import from_csv, neutralise, restore, to_csv
from headstart.foundation.text import printable

STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
cells = st.text(max_size=12) | st.text(st.sampled_from("=+-@'; \t\r1.,eabc＝＋－＠"), max_size=8)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("before", ["", " ", "wet;", "wet; "], ids=["first", "space", "second label", "both"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str, before: str) -> None:
    """Also after a space, and after the ``;`` between labels, which separates cells where the comma is the decimal sign."""
    written = neutralise(f"{before}{start}cmd|' /C calc'!A0")
    last = written.split(";")[-1]
    assert last.startswith("'")
    assert restore(written) == f"{before}{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize("number", ["-5", "+3", "-0.25", "-1e-05", "-1,5", "+1.234.567,8", "-.5", "1;-2;+3"])
def test_numbers_stay_as_they_are(number: str) -> None:
    """A minus before a number begins no formula."""
    assert neutralise(number) == restore(number) == number


@pytest.mark.parametrize("text", ["cat", "'tis", "''", "a=b", "1-2", "x@y.z", "…", "row 5", "don't;can't", ""])
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Only the beginning of a cell counts."""
    assert neutralise(text) == restore(text) == text


@given(cells)
def test_neutralised_text_comes_back(text: str) -> None:
    """Whatever it holds, and also if it looks neutralised already; twice as well as once."""
    assert restore(neutralise(text)) == text
    assert restore(restore(neutralise(neutralise(text)))) == text


@given(cells)
def test_neutralised_text_begins_no_formula(text: str) -> None:
    """In every cell that a comma or a ``;`` makes, what begins like a formula is a number."""
    for part in neutralise(text).split(";"):
        if part.lstrip().startswith(STARTS):
            assert set(part) <= set("+-0123456789.,eE")


@given(st.lists(st.tuples(cells, cells | st.none() | st.integers() | st.floats(allow_nan=False)), max_size=5), cells)
def test_tables_come_back(rows: list[tuple[object, object]], heading: str) -> None:
    """Cells and headings are what they were, but for control characters, which are shown as escapes."""
    columns = ["a name", f"b{heading}"]
    shown = [[("" if cell is None else printable(cell)) for cell in row] for row in rows]
    assert from_csv(to_csv(columns, rows)) == [dict(zip(map(printable, columns), row, strict=True)) for row in shown]


def test_a_heading_is_neutralised_too() -> None:
    """The name of a column may come from anyone as well."""
    assert next(csv.reader(io.StringIO(to_csv(["=1+1", "b"], [])))) == ["'=1+1", "b"]
    assert from_csv(to_csv(["=1+1"], [["x"]])) == [{"=1+1": "x"}]


@pytest.mark.parametrize(
    "text", ["a,b\n1\n", "a,b\n1,2,3\n", 'a\n"x', f"a\n{'x' * 200_000}\n"], ids=["short", "long", "open quote", "huge cell"]
)
def test_text_that_is_no_such_table_is_a_value_error(text: str) -> None:
    """Rows of another length are not filled up or cut."""
    with pytest.raises(ValueError, match="line 2"):
        from_csv(text)


def test_nothing_else_writes_csv() -> None:
    """One function writes all CSV of the package, so that no cell gets past it."""
    package = Path(headstart.__file__).parent
    writers = [
        path.name for path in package.rglob("*.py") if re.search(r"csv\.(writer|DictWriter)|to_csv\(", path.read_text())
    ]
    in_messages = (
        "conversions.py",
        "conversion_commands.py",
        "folder_errors.py",
        "target_advice.py",
        "nothing_left.py",
    )  # commands for the user to run
    ours = ("csv_output.py", "files.py", "leaderboard_display.py", "run_commands.py", *in_messages)
    others = [name for name in writers if name not in ours]
    assert others == []
    for name in ("foundation/runs/files.py", "leaderboard_display.py", "run_commands.py"):  # which call it by its name
        assert not re.search(r"csv\.(writer|DictWriter)|\.to_csv\(", (package / name).read_text())
