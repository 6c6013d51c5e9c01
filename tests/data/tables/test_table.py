"""A table of any kind becomes columns of cells, and every row is used or listed."""

from __future__ import annotations

import datetime
import decimal
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.skipped import Skipped
from headstart.data.tables.files import csv_rows
from headstart.data.tables.files.csv_rows import rows_of_lists, usual_width
from headstart.data.tables.files.read_cells import read_cells
from headstart.data.tables.files.regular_rows import regular_rows
from headstart.data.tables.preprocess import as_days, as_numbers, is_missing
from headstart.data.tables.table import (
    Table,
    table_of_array,
    table_of_frame,
)
from headstart.foundation.errors import DatasetError, HeadstartError

IRIS = ["5.1,3.5,1.4,0.2,Iris-setosa", "7.0,3.2,4.7,1.4,Iris-versicolor", "6.3,3.3,6.0,2.5,Iris-virginica"]
PATIENTS = [
    "'40-49','premeno','15-19','yes','recurrence'",
    "'50-59','ge40','15-19','no','no-recurrence'",
    "'50-59','ge40','35-39',?,'no-recurrence'",
    "'40-49','premeno','15-19','yes','recurrence'",
]


def text_cells(*cells: str) -> np.ndarray[Any, Any]:
    """A column as a CSV file gives it."""
    return np.array(cells, object)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """A function that reads the bytes, the text or the lines of a CSV file."""

    def read_content(content: bytes | str | list[str], names: list[str] | None = None) -> tuple[Table, list[Skipped]]:
        lines = "\n".join(content) if isinstance(content, list) else content
        path = tmp_path / "table.csv"
        path.write_bytes(lines.encode() if isinstance(lines, str) else lines)
        return read_cells(path, names=names)

    return read_content


def rows_of(table: Table) -> list[tuple[object, ...]]:
    """The table row by row."""
    return list(zip(*table.columns, strict=True))


# Header or none


def test_a_header_of_words_above_numbers(read: Any) -> None:
    """The plain file: names, and cells as they stood, stripped."""
    table, skipped = read("age, sex ,city\n39, m ,Rome\n41,f,\n")
    assert table.names == ("age", "sex", "city")
    assert rows_of(table) == [("39", "m", "Rome"), ("41", "f", "")]
    assert all(column.dtype == object for column in table.columns)
    assert (len(table), skipped) == (2, [])


def test_a_number_in_the_first_row_is_no_name(read: Any) -> None:
    """Iris as the archives have it: no header, and no row is lost to one."""
    table, _ = read(IRIS)
    assert table.names == ("c0", "c1", "c2", "c3", "c4")
    assert len(table) == 3


def test_words_that_recur_below_are_no_names(read: Any) -> None:
    """All text, single quotes and a bare question mark: no header either."""
    table, _ = read(PATIENTS)
    assert table.names == ("c0", "c1", "c2", "c3", "c4")
    assert rows_of(table)[2] == ("50-59", "ge40", "35-39", "?", "no-recurrence")
    assert len(table) == 4


def test_one_column_in_two_that_recurs_is_enough(read: Any) -> None:
    """A list of files and their classes, where only the class comes again."""
    assert len(read(["a.jpg,cat", "b.jpg,dog", "c.jpg,cat"])[0]) == 3


def test_a_header_that_says_nothing_below_again(read: Any) -> None:
    """All text with a header: the names are in no cell."""
    table, _ = read(["colour,size", "red,small", "red,large"])
    assert table.names == ("colour", "size")


def test_names_are_made_unique_and_none_is_blank(read: Any) -> None:
    """A blank is called by its place, a repeated name gets a number, and no given name is taken for either."""
    table, _ = read("x,,x,x,x_2,c1\n1,2,3,4,5,6")
    assert table.names == ("x", "c1_2", "x_3", "x_4", "x_2", "c1")


def test_a_header_alone_is_a_table_without_rows(read: Any) -> None:
    """Names and no rows, which is no error yet."""
    table, skipped = read("a,b\n")
    assert (table.names, len(table), skipped) == (("a", "b"), 0, [])


def test_rows_may_have_names_as_r_writes_them(read: Any) -> None:
    """One name fewer than cells: the first column is the one without."""
    table, skipped = read('"mpg" "cyl"\n"Mazda RX4" 21 6\n"Fiat 128" 32.4 4\n"Lotus" 30.4 4\n')
    assert (table.names, skipped) == (("c0", "mpg", "cyl"), [])
    assert rows_of(table)[0] == ("Mazda RX4", "21", "6")


def test_known_names_make_a_header(read: Any) -> None:
    """A trained model's columns are recognised though a name of theirs is a number."""
    lines = ["1990,1991,kind", "5,6,a", "7,8,b"]
    assert len(read(lines)[0]) == 3
    table, _ = read(lines, names=["1990", "1991"])
    assert (table.names, len(table)) == (("1990", "1991", "kind"), 2)


@pytest.mark.parametrize("width", [4, 5])
def test_a_model_without_names_reads_a_row_without_a_header(read: Any, width: int) -> None:
    """One row of text, with its target or without: nothing recurs, yet the table that was learned had no header."""
    row = ",".join(PATIENTS[0].split(",")[:width])
    table, _ = read([row], names=["c0", "c1", "c2", "c3"])
    assert (table.names[0], len(table)) == ("c0", 1)


def test_a_header_above_numbers_is_one_for_a_model_without_names_too(read: Any) -> None:
    """Somebody has added a header since: it is not taken for a row."""
    table, _ = read(["length,width", "5.1,3.5"], names=["c0", "c1"])
    assert (table.names, len(table)) == (("length", "width"), 1)


# Separators, quotes, encodings


@pytest.mark.parametrize("mark", [",", ";", "\t", "|", " ", "  ", ", ", " \t "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_any_separator_and_line_ending(read: Any, mark: str, end: str) -> None:
    """Blank lines are no rows."""
    rows = [["name", "length", "width"], ["a", "5.1", "3"], ["b", "-4", "1e3"], ["c", ".5", "0"]]
    table, skipped = read(end.join(mark.join(row) for row in rows) + end)
    assert table.names == ("name", "length", "width")
    assert rows_of(table) == [tuple(row) for row in rows[1:]]
    assert skipped == []


def test_a_question_mark_is_no_name(read: Any) -> None:
    """A first row of texts that holds one is a row, though its other cells do not recur below."""
    table = read(["?,first,a", "5,second,b", "?,third,c"])[0]
    assert (table.names, len(table)) == (("c0", "c1", "c2"), 3)


def test_a_decimal_comma_does_not_separate(read: Any) -> None:
    """Semicolons do, with a header or without one; cells stay as they were written."""
    lines = ["Müller;1,5;2,25", "Maier;0,5;1,75"]
    assert rows_of(read(["name;length;width", *lines])[0])[0] == ("Müller", "1,5", "2,25")
    assert rows_of(read(["1,5;2,5", "3,5;4,5"])[0]) == [("1,5", "2,5"), ("3,5", "4,5")]
    assert rows_of(read(["1,5;2.000,5"])[0]) == [("1,5", "2.000,5")]


def test_what_stands_in_every_row_need_not_separate(read: Any) -> None:
    """Lists of labels and times of day in a table of commas."""
    assert read(["file,labels", "1.jpg,a;b", "2.jpg,b;c"])[0].names == ("file", "labels")
    assert read(["time,a,b", "2020-01-01 10:00,5,6", "2020-01-01 10:05,5,6"])[0].names == ("time", "a", "b")


def test_one_column_is_a_table(read: Any) -> None:
    """Words and spaces in it are no columns."""
    table, _ = read(["city", "New York", "Rome", "San Marino"])
    assert (table.names, rows_of(table)[0]) == (("city",), ("New York",))


def test_quotes_hold_separators_quotes_and_lines(read: Any) -> None:
    """In double quotes as RFC 4180 has it, and in single ones."""
    table, _ = read('id,text\n1,"a, b"\n2,"she said ""no"""\n3,"two\nlines, one cell"\n')
    assert table.column("text").tolist() == ["a, b", 'she said "no"', "two\nlines, one cell"]
    table, _ = read("'a','b'\n'x, y','1'\n'it''s','2'\n")
    assert (table.names, table.column("a").tolist()) == (("a", "b"), ["x, y", "it's"])


@pytest.mark.parametrize("row", ['3,"5 inch', '3,"'])
def test_a_stray_quote_swallows_no_rows(read: Any, row: str) -> None:
    """A quote that is never closed, or by another stray one much later, leaves the other rows where they are."""
    lines = ["n,size", "1,2 inch", "2,3 inch", row, "4,6 inch", "5,7 inch", row, "7,9 inch"]
    for content in (lines, lines[:6]):
        table, skipped = read(content)
        assert len(table) == len(content) - 1
        assert (table.column("n").tolist()[-1], skipped) == (content[-1][0], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_any_encoding(read: Any, encoding: str) -> None:
    """Letters beyond ASCII are read as they were written."""
    table, _ = read("größe,ort\n5,Málaga\n6,Ærø\n".encode(encoding))
    assert table.names == ("größe", "ort")
    assert table.column("ort").tolist() == ["Málaga", "Ærø"]


# Rows that do not fit


def test_a_row_of_another_length_is_listed(read: Any) -> None:
    """Too few cells and too many, with their numbers; the others keep theirs."""
    table, skipped = read(["a,b,c", "1,2,3", "4,5", "6,7,8", "1,2,3,4", "9,9,9", ",,", "1,1,1"])
    assert skipped == [
        Skipped("row 2", "2 cells, but the table has 3 columns"),
        Skipped("row 4", "4 cells, but the table has 3 columns"),
    ]
    assert table.row_numbers().tolist() == [1, 3, 5, 6, 7]
    assert table.take([3, 0]).row_numbers().tolist() == [6, 1]


def test_lines_above_the_header_are_left_out_and_reported(read: Any) -> None:
    """A title that a spreadsheet left there, padded with separators or not, is not a row."""
    for above in (["Measured in May"], ["Measured in May,,", ",,"], ["Measured in May", "", "by the town,,"]):
        table, skipped = read([*above, "a,b,c", "1,2,x", "3,4,y", "5,6,x"])
        assert (table.names, skipped, table.row_numbers().tolist()) == (("a", "b", "c"), [], [1, 2, 3])
        assert len(table.notes) == 1
        assert "above the header left out (Measured in May" in table.notes[0]
        assert ("by the town" in table.notes[0]) == (len(above) == 3)


@pytest.mark.parametrize(
    ("last", "is_totals"),
    [
        ("Total,60,1200.60", True),
        ("Grand total:,,1200.60", True),
        ("Gesamt,60,", True),
        ("Average,12,240.12", True),
        ("Total,12,240.12", False),
        ("Average,12,99", False),
        ("Total,61,99", False),
        ("Ulm,60,1200.60", False),
        ("Total,,", False),
    ],
)
def test_a_last_row_of_totals_is_listed(read: Any, last: str, is_totals: bool) -> None:
    """Only where a number is the sum of those above, or all are their means, whatever the row is called."""
    rows = ["town,count,pay", "Ulm,10,200.10", "Graz,11,220.11", "Bern,12,240.12", "Linz,13,260.13", "Basel,14,280.14", last]
    table, skipped = read(rows)
    assert skipped == ([Skipped("row 6", "a row of totals")] if is_totals else [])
    assert len(table) == (5 if is_totals else 6)
    shown = ", ".join(filter(None, last.split(",")))
    assert table.notes == ((f"the last row holds totals and is skipped ({shown})",) if is_totals else ())
    quoted, _ = read(["town,pay", *[f'T{i},"1,00{i},000.50"' for i in range(4)], 'TOTAL,"4,006,002.00"'])
    assert len(quoted) == 4


def test_title_lines_of_a_cell_or_two_are_left_out(read: Any) -> None:
    """Each is named."""
    for above in (["Report,May,,"], ["Report,May,,", "Town:,Ulm,,"], [",,,Report"]):
        table, skipped = read([*above, "a,b,c,d", "1,2,x,u", "3,4,y,v", "5,6,x,w"])
        assert (table.names, skipped, len(table)) == (("a", "b", "c", "d"), [], 3)
        assert all(word in table.notes[0] for line in above for word in line.split(",") if word)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,comment,label,,,,", "img{i:04}.jpg,nice shot no {i},{kind},,,,"),
        ("text,label,,", "hello {i},{kind},,"),
        ("text,label,,,", "hello {i},{kind},{gap},,"),
        ("id,,,,,label", "n{i},{gap},{gap},{gap},{gap},{kind}"),
        ("id,,,,,", "n{i},{gap},{gap},{gap},{kind},w{i}"),
        ("text,", "hello {i},{kind}"),
        ("text,label", "hello {i},{kind},,,"),
        ("text,label,,,,", "hello {i},{kind}"),
        (",,label", "{gap},{gap},{kind}"),
        ("id,,,", "a{i},b{i},c{i},d{i}"),
    ],
)
def test_a_row_below_a_header_with_gaps_is_no_header(read: Any, header: str, row: str) -> None:
    """The header is the first row, and every row below is in the table."""
    rows = [row.format(i=i, kind=("dog", "cat")[i % 2], gap=f"w{i}" if i > 4 else "") for i in range(40)]
    table, skipped = read([header, *rows])
    names = [name for name in header.split(",") if name]
    assert [name for name in table.names if name in names] == names
    assert (len(table), skipped, table.notes) == (40, [], ())


def test_the_header_that_a_model_knows_is_no_title(read: Any) -> None:
    """Though it names two of five columns only, and no cell below occurs twice."""
    lines = ["id,size,,,", *(f"n{i},s{i},t{i},u{i},v{i}" for i in range(5))]
    table, _ = read(lines, names=["id", "size"])
    assert (table.names[:2], len(table)) == (("id", "size"), 5)


def test_an_odd_line_above_makes_no_header_of_a_row(read: Any) -> None:
    """Its cells occur below."""
    table, skipped = read(["file,label", *(f"{i}.jpg,big,{kind},x{i}" for i, kind in enumerate(["dog", "cat"] * 10))])
    assert (len(table), len(skipped)) == (20, 1)


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["# made by an archive", "# on a Monday", "a,b,c"], "2 comment lines above the table left out"),
        (["# one line", "", "a,b,c"], "1 comment line above the table left out"),
        (["% size; in mm", "% age; in years", "% a, b, c"], "2 comment lines above the table left out"),
        (["// a,b,c"], ""),
        (["sep=,", "a,b,c"], ""),
        (['"sep=;"', "a;b;c"], ""),
        (["SEP=;", "# note", "a;b;c"], "1 comment line above the table left out"),
    ],
)
def test_comment_lines_and_a_named_separator_are_no_rows(read: Any, lines: list[str], note: str) -> None:
    """The last comment may be the header; the separator that Excel names is used."""
    mark = ";" if ";" in lines[-1] else ","
    table, skipped = read([*lines, *(row.replace(",", mark) for row in ("1,2,x", "3,4,y", "5,6,x"))])
    assert (table.names, len(table), skipped, table.separator) == (("a", "b", "c"), 3, [], mark)
    assert table.notes == ((note,) if note else ())


def test_rows_that_begin_like_comments_are_rows(read: Any) -> None:
    """Tags without a header; a header whose first name begins with the mark."""
    assert len(read(["#sun,1", "#sea,2", "#rain,3", "#snow,4", "fog,5"])[0]) == 5
    assert read(["#id,size", "1,2", "2,3", "3,5"])[0].names == ("#id", "size")
    assert len(read(["#only", "#comments", "#here"])[0]) == 2


def test_the_header_within_the_table_is_skipped(read: Any) -> None:
    """Files that were joined one after the other: each later header is listed, and said."""
    table, skipped = read(["a,b", "1,x", "2,y", "a,b", "3,x", "a,b", "4,z"])
    assert table.column("a").tolist() == ["1", "2", "3", "4"]
    assert table.row_numbers().tolist() == [1, 2, 4, 6]
    assert skipped == [Skipped("row 3", "the header again"), Skipped("row 5", "the header again")]
    assert table.notes == ("the header is repeated in 2 rows, which are skipped",)


@pytest.mark.parametrize("second", ["mm,kg,s", "LIMIT,AGE,BILL", "mm,,s", "[mm],[kg],[s]"])
def test_second_names_and_units_below_the_header_are_skipped(read: Any, second: str) -> None:
    """Words above numbers in the row below the header; the names are those of the first row."""
    table, skipped = read(["X1,X2,X3", second, "1,2,3", "2.5,4,5", "3,7,8", "4,1,1"])
    assert (table.names, len(table)) == (("X1", "X2", "X3"), 4)
    assert skipped == [Skipped("row 1", "a second header: names or units")]
    assert "second names or units" in table.notes[0]


@pytest.mark.parametrize("first", ["unknown,2,3", "NA,NA,x", "?,?,?", ",,"])
def test_a_row_with_gaps_below_the_header_is_a_row(read: Any, first: str) -> None:
    """One word among numbers, or markers of missing cells, are no units."""
    table, skipped = read(["a,b,c", first, "1,2,3", "2.5,4,5", "3,7,8", "4,1,1"])
    assert (len(table), skipped, table.notes) == (5, [], ())


pieces = st.sampled_from(
    ["a", "1", "2.5", "é", "\u2003", " ", "", '"', '""', ",", ";", "\n", "\r\n", "\r", "\t", "\x1f", "x y"]
)


@given(st.lists(pieces, max_size=30), st.sampled_from(",;"), st.sampled_from(["'", '"']))
def test_fast_parsing_gives_the_rows_of_the_csv_module(content: list[str], separator: str, quote: str) -> None:
    """Cells, numbers and other rows are equal wherever the fast parser does not decline."""
    text = "".join(content)
    rows = csv_rows._parsed(text, separator, quote)
    width, _ = usual_width(rows)
    found = regular_rows(text.encode(), separator, quote, width) if width > 1 else None
    if found is not None:
        expected = rows_of_lists(rows, separator)
        assert [c.tolist() for c in found[0]] == [c.tolist() for c in expected.cells]
        assert found[1] == expected.odd


@pytest.mark.parametrize("header", ["a,b", "a,b,"])
def test_a_separator_at_the_end_of_each_line_is_no_column(read: Any, header: str) -> None:
    """Below a header with one or without."""
    table, skipped = read([header, "1,2,", "3,4,", "5,6,"])
    assert (table.names, len(table), skipped) == (("a", "b"), 3, [])


@pytest.mark.parametrize("header", ["a,b", "a,b,", "a,b,,,"])
def test_separators_at_the_end_of_each_line_are_no_columns(read: Any, header: str) -> None:
    """However many there are, and whether or not each line has them."""
    table, skipped = read([header, "1,2,,,", "3,4,,,", "5,6,,,", "7,8", "9,9,,,"])
    assert (table.names, len(table), skipped) == (("a", "b"), 5, [])


def test_a_column_with_a_name_stays_though_it_is_empty(read: Any) -> None:
    """What it is worth is not decided here."""
    assert read(["a,b,notes", "1,2,", "3,4,"])[0].names == ("a", "b", "notes")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n \n",
        b"\xef\xbb\xbf",
        b"a,b\n1,\x00\n",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        bytes(range(1, 32)) * 9,
        b"\xff\xfea",
        b'""\n',
    ],
    ids=["empty", "blank", "mark", "NUL", "PNG", "controls", "half a letter", "an empty quote"],
)
def test_what_is_no_table_is_an_error(read: Any, content: bytes) -> None:
    """Three lines that name the file, never a traceback."""
    with pytest.raises(DatasetError, match="H107") as caught:
        read(content)
    assert "table.csv" in caught.value.received


def test_a_folder_a_missing_file_and_a_broken_parquet_are_errors(tmp_path: Path) -> None:
    """Whatever the path leads to."""
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    for name in ("", "missing.csv", "broken.parquet"):
        with pytest.raises(DatasetError, match="H107"):
            read_cells(tmp_path / name)


cells_of_any_kind = st.one_of(
    st.sampled_from(
        ["", "?", "NaN", "1", "-2.5", "1e3", "inf", "x", "yes", '"', "'", 'a"b', "a,b", "a;b", "it's", "\r", " "]
    ),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
)


@given(
    data=st.data(),
    width=st.integers(1, 5),
    mark=st.sampled_from(list(",;\t| ")),
    quote=st.sampled_from(['"', "'", ""]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]),
    junk=st.binary(max_size=4),
)
def test_whatever_the_bytes_each_row_is_used_or_listed(
    data: st.DataObject, width: int, mark: str, quote: str, encoding: str, junk: bytes, tmp_path_factory: Any
) -> None:
    """Ragged, quoted and encoded at random, with bytes in the middle that are no text: a table and a list, or an error."""
    rows = data.draw(st.lists(st.lists(cells_of_any_kind, min_size=max(1, width - 1), max_size=width + 1), max_size=12))
    lines = [mark.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
    content = "\n".join(lines).encode(encoding, "replace")
    path = tmp_path_factory.mktemp("hostile") / "table.csv"
    place = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:place] + junk + content[place:])
    try:
        table, skipped = read_cells(path)
    except HeadstartError:
        return
    assert len(set(table.names)) == len(table.names)
    assert {len(column) for column in table.columns} == {len(table)}
    assert all(isinstance(cell, str) and cell == cell.strip() for column in table.columns for cell in column)
    listed = [int(row.path.removeprefix("row ")) for row in skipped]
    assert sorted([*listed, *table.row_numbers()]) == list(range(1, len(table) + len(skipped) + 1))
    assert all(len(as_numbers(column)) == len(as_days(column)) == len(is_missing(column)) for column in table.columns)
    if not junk and not set("\n".join(lines)) & set("\"'\r"):  # a line is a row then, but for the header and blank ones
        num_visible = sum(bool(line.strip()) for line in "\n".join(lines).split("\n"))
        assert num_visible - 1 <= len(listed) + len(table) <= sum(map(bool, "\n".join(lines).split("\n")))


@given(rows=st.lists(st.tuples(st.integers(), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=30))
def test_rows_read_are_rows_used_and_rows_listed(rows: list[tuple[int, str, bool]], tmp_path_factory: Any) -> None:
    """Below a header, as many as there are lines: those that lack a cell are listed by their numbers, no other is."""
    is_short = [flag and i > 0 for i, (_, _, flag) in enumerate(rows)]
    if sum(is_short) * 2 >= len(rows):
        is_short = [False] * len(rows)
    lines = [f"{n},{word}" if short else f"{n},{word},5" for (n, word, _), short in zip(rows, is_short, strict=True)]
    path = tmp_path_factory.mktemp("rows") / "table.csv"
    path.write_text("\n".join(["number,word,five", *lines]))
    table, skipped = read_cells(path)
    assert [row.path for row in skipped] == [f"row {i}" for i, short in enumerate(is_short, 1) if short]
    assert len(table) + len(skipped) == len(rows)
    assert table.column("word").tolist() == [word for (_, word, _), short in zip(rows, is_short, strict=True) if not short]


# Data frames, Parquet, arrays


def test_a_frame_keeps_its_types(tmp_path: Path) -> None:
    """Numbers and dates stay, all else is text; whatever stands for a missing value is missing. Parquet tells the same."""
    day = pd.Timestamp("2020-02-01 10:00")
    frame = pd.DataFrame(
        {
            "integer": pd.array([1, None], "Int64"),
            "float": [0.5, np.nan],
            "flag": [True, False],
            "maybe": pd.array([True, None], "boolean"),
            "moment": [day, pd.NaT],
            "zone": [day.tz_localize("Europe/Berlin"), pd.NaT],
            "word": [" x ", None],
            "kind": pd.Categorical(["a", None]),
        },
        index=["p", "q"],
    )
    path = tmp_path / "table.PARQUET"
    frame.to_parquet(path)
    for table in (table_of_frame(frame), read_cells(path)[0]):
        assert table.names == tuple(frame.columns)
        assert [column.dtype.kind for column in table.columns] == list("ffOOMMOO")
        assert rows_of(table.select(["integer", "float", "flag", "maybe", "word", "kind"]))[0] == (
            1,
            0.5,
            "True",
            "True",
            "x",
            "a",
        )
        assert str(table.column("zone")[0]) == "2020-02-01T09:00:00"
        assert table.column("moment").dtype == "datetime64[s]"
        assert [bool(is_missing(column)[1]) for column in table.columns] == [True, True, False, True, True, True, True, True]


def test_cells_that_are_objects() -> None:
    """Dates, decimals, lists, bytes and mixtures of them, in columns without a type and with names that are no text."""
    frame = pd.DataFrame(
        {
            1: [datetime.date(2020, 2, 1), None],
            ("a", "b"): [decimal.Decimal("1.5"), None],
            2: [["x", "y"], []],
            3: [b"caf\xc3\xa9", 3.0],
            4: [10**400, 2],
            5: pd.to_timedelta([1.5, 2], "h"),
            6: [1 + 2j, 0],
        },
        dtype=object,
    )
    frame[7] = [1 + 2j, 0j]
    table = table_of_frame(frame)
    assert table.names == ("1", "a_b", "2", "3", "4", "5", "6", "7")
    first, second = rows_of(table)
    assert first[1:] == (1.5, "x;y", "café", np.inf, 5400, "(1+2j)", "(1+2j)")
    assert str(first[0]) == "2020-02-01T00:00:00"
    assert second[2:4] == (";", "3")


def test_an_array_is_a_table() -> None:
    """Of numbers, booleans and text."""
    assert table_of_array(np.array([[1, 2], [3, 4]], np.uint8)).column("c1").tolist() == [2.0, 4.0]
    assert table_of_array(np.array([[True], [False]])).column("c0").tolist() == ["True", "False"]
    assert rows_of(table_of_array(np.array([["1", " b"]]))) == [("1", "b")]
    mixed = table_of_array(np.array([[1, "a"], [2.5, None]], object))
    assert rows_of(mixed) == [(1.0, "a"), (2.5, "")]
    assert len(table_of_array(np.zeros((0, 3)))) == 0


def test_an_array_of_another_shape_is_an_error() -> None:
    """One axis, or three."""
    for array in (np.zeros(3), np.zeros((2, 2, 2))):
        with pytest.raises(DatasetError, match="H107"):
            table_of_array(array)


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.text(max_size=3), st.floats(), st.booleans(), st.dates()), min_size=2, max_size=2)
    )
)
def test_any_objects_are_cells(rows: list[list[object]]) -> None:
    """A frame of whatever mixture becomes columns of the three types, of the same length."""
    table = table_of_frame(pd.DataFrame(rows, columns=["a", "b"], dtype=object))
    for column in table.columns:
        assert column.dtype in (np.dtype(float), np.dtype("datetime64[s]"), np.dtype(object))
        assert len(column) == len(rows) == len(as_numbers(column)) == len(is_missing(column)) == len(as_days(column))


def test_a_frame_written_and_read_again_says_the_same() -> None:
    """Floats keep their value through text."""
    values = np.random.default_rng(0).normal(size=50)
    buffer = io.StringIO()
    pd.DataFrame({"x": values}).to_csv(buffer, index=False)
    assert (as_numbers(text_cells(*buffer.getvalue().split()[1:])) == values).all()


# What a cell says


@pytest.mark.parametrize("marker", ["", " ", "?", "NA", "n/a", "NaN", "NULL", "None", "-", "."])
def test_markers_of_missing_cells(marker: str) -> None:
    """In any case; they are no numbers and no dates."""
    cells = text_cells(marker, "0")
    assert is_missing(cells).tolist() == [True, False]
    assert np.isnan(as_numbers(cells)).tolist() == [True, False]
    assert np.isnan(as_days(cells)).all()


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1e3", 1000),
        (" 5 ", 5),
        ("+3", 3),
        (".5", 0.5),
        ("5.", 5),
        ("-1.5E-2", -0.015),
        ("inf", np.inf),
        ("-Infinity", -np.inf),
    ],
)
def test_numbers_as_people_write_them(cell: str, value: float) -> None:
    """Signs, exponents, a point without a digit beside it."""
    assert as_numbers(text_cells(cell)).tolist() == [value]


@pytest.mark.parametrize("cell", ["1_000", "1,5", "0x1f", "1 2", "e5", "nano", "٣", "1e", "--1", "True"])
def test_what_is_no_number(cell: str) -> None:
    """Nor anything else that Python would take for one."""
    assert np.isnan(as_numbers(text_cells(cell))).all()


@given(st.lists(st.floats(allow_nan=False)))
def test_any_float_is_read_as_it_was_written(values: list[float]) -> None:
    """To the last bit."""
    assert as_numbers(text_cells(*map(repr, values))).tolist() == values


def test_dates_are_numbers_of_days() -> None:
    """Since 1970, and NaN where there is none."""
    days = as_numbers(np.array(["1970-01-02T12:00", "NaT"], "datetime64[s]"))
    assert days[0] == 1.5
    assert np.isnan(days[1])


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2020-02-01", "2020-02-01T00:00:00"),
        ("2020/2/1", "2020-02-01T00:00:00"),
        ("2020-02-01 10:30", "2020-02-01T10:30:00"),
        ("2020-02-01T10:30:05.25Z", "2020-02-01T10:30:05"),
        ("2020-02-01T10:30:05+02:00", "2020-02-01T08:30:05"),
        ("2020-02-01T23:30:00-0130", "2020-02-02T01:00:00"),
        ("1.2.2020", "2020-02-01T00:00:00"),
        ("1/2/20 7:05", "2020-02-01T07:05:00"),
        ("31-12-69", "1969-12-31T00:00:00"),
    ],
)
def test_dates_as_people_write_them(cell: str, moment: str) -> None:
    """ISO 8601 with times and zones, and the day first where nothing says otherwise."""
    assert as_days(text_cells(cell))[0] == pytest.approx(np.datetime64(moment).astype("datetime64[s]").astype(float) / 86400)


@pytest.mark.parametrize(
    "cell",
    ["2021-02-29", "32/1/2020", "1/2.2020", "1.2.3", "0-2", "12", "soon", "2020-01-01 25:00"],
)
def test_what_is_no_date(cell: str) -> None:
    """Days that never were among them."""
    assert np.isnan(as_days(text_cells(cell))).all()


def test_a_moment_before_the_year_1_is_a_number_too() -> None:
    """By its zone; no date of Python's could hold it."""
    assert as_days(text_cells("0001-01-01 00:00+23:00"))[0] == pytest.approx(-719162 - 23 / 24)


def test_a_table_is_taken_apart_by_rows_and_columns() -> None:
    """Rows by position, columns by name, in the order asked for."""
    table = Table(("a", "b"), (np.array([1.0, 2.0, 3.0]), text_cells("x", "y", "z")))
    assert len(table) == 3
    assert rows_of(table.take([2, 0]).select(["b", "a"])) == [("z", 3.0), ("x", 1.0)]
    assert table.select(["b"]).row_numbers().tolist() == [1, 2, 3]
    assert len(Table((), ())) == 0


# Lines in cells


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("text", ["hello {}{end}world", "{}{end}{end}b", "{}, b{end}c, d", "{}{end}x, y, z{end}b"])
@pytest.mark.parametrize("row", ["{},{text},{label}", "{text},{},{label}", "{label},{},{text}"])
@pytest.mark.parametrize("has_header", [True, False])
def test_a_cell_of_several_lines_is_one_cell(read: Any, row: str, text: str, end: str, has_header: bool) -> None:
    """Two lines or three, blank ones and commas among them, in any column, below a header and without one."""
    texts = [text.format(f"say {i}", end=end) for i in range(60)]
    lines = [row.format(i, text=f'"{cell}"', label="xy"[i % 2]) for i, cell in enumerate(texts)]
    table, skipped = read(end.join(["a,b,c"] * has_header + lines))
    assert (len(table), skipped) == (60, [])
    place = row.split(",").index("{text}")
    assert table.columns[place].tolist() == texts


def test_cells_of_several_lines_between_spaces(read: Any) -> None:
    """Spaces in the quotes stay, and those outside separate."""
    table, skipped = read(['"a" "b" "c"', *['"two\nlong lines" "0" "x y"', '"say ""so""" "1" "z"'] * 5])
    assert skipped == []
    assert rows_of(table)[:2] == [("two\nlong lines", "0", "x y"), ('say "so"', "1", "z")]


def test_one_column_may_hold_lines(read: Any) -> None:
    """Where no separator could tell a row from a line, quotes that are in order do."""
    assert read('text\n"a\nb\nc"\n"d\n\ne"\n')[0].column("text").tolist() == ["a\nb\nc", "d\n\ne"]


@pytest.mark.parametrize("row", ['3,"5 inch,x', '3,"5 inch,x\n4,6 inch,y'])
def test_a_stray_quote_is_told_from_cells_of_several_lines(read: Any, row: str) -> None:
    """In one table: the row is there, those below it are, and the cells stay whole."""
    lines = [f'{i},"hello, {i}\nworld",{"xy"[i % 2]}' for i in range(20)]
    table, skipped = read(["id,text,label", *lines[:10], row, *lines[10:]])
    assert skipped == []
    assert len(table) == 20 + len(row.split("\n"))
    assert table.column("text").tolist()[10] == "5 inch"
    assert table.column("text").tolist()[-10:] == [f"hello, {i}\nworld" for i in range(10, 20)]


def test_a_quote_that_is_never_closed_swallows_no_rows(read: Any) -> None:
    """Be it in the header or in the last row but one, which together look like one whole row."""
    assert len(read(['a,"b,c', "1,2,3", "4,5,6", "7,8,9"])[0]) == 3
    assert read(["n,size", "1,2 inch", "2,3 inch", '3,"5 inch', "4,6 inch"])[0].column("n").tolist() == list("1234")
    table, skipped = read(["a,b,c", *['1,"x,y"z,"5 inch'] * 99])
    assert len(table) + len(skipped) in (99, 100)


# Numbers that are names


@pytest.mark.parametrize(
    "header", ["0,1,2", "0,1", ",0", ",0,1,2,3", "0,1,kind", ",0,1,kind", "2019,2020,2021,name", "town,2019,2020,2021"]
)
def test_names_that_count(read: Any, header: str) -> None:
    """As pandas writes columns without names, and years beside a word."""
    names = header.split(",")
    lines = [
        ",".join(str(i) if not name else f"{name[:1]}{i}" if name.isalpha() else f"{i * 7 % 5}.5" for name in names)
        for i in range(20)
    ]
    table, _ = read([header, *lines])
    assert table.names == tuple(name or "c0" for name in names)
    assert len(table) == 20


@pytest.mark.parametrize(
    "lines",
    [
        ["0,1,2", "3,4,5", "6,7,8"],  # the numbers count on
        ["0,1,2", "1,2,3", "2,3,4"],
        ["0,1,2", "5,5,5", "0,1,2"],  # the row comes again
        ["0,1", "1,0", "2,1", "3,0"],  # the first column counts the rows
        ["0,1", "1,1", "0,0", "1,0"],
        ["0,1,2"],
        ["1,2,3", "5,9,4", "7,8,2"],
        ["1,2,3,x", "5,9,4,y", "7,8,2,x"],
        ["1,2,3,Ann", "1,9,4,Bob", "7,8,2,Cy"],
        ["1,2,Ann", "5,9,Bob", "7,8,Cy"],
        ["1.jpg,3,4,5", "2.jpg,6,3,9", "3.jpg,7,7,1"],
    ],
)
def test_a_row_that_counts_by_chance(read: Any, lines: list[str]) -> None:
    """What stands below tells that it is a row."""
    table, _ = read(lines)
    assert (table.names[0], len(table)) == ("c0", len(lines))


def test_what_a_model_knows_tells_whether_counting_numbers_are_names(read: Any) -> None:
    """Its table had such names, or had no header."""
    lines = ["0,1,2", "5.5,6.5,7.5", "1.5,9.5,3.5"]
    assert read(lines, names=["0", "1", "2", "kind"])[0].names == ("0", "1", "2")
    assert len(read(lines, names=["c0", "c1", "c2", "c3"])[0]) == 3


@pytest.mark.parametrize("index", [True, False])
def test_a_frame_without_names_is_read_as_it_was_written(read: Any, index: bool) -> None:
    """The header of pandas is no sample."""
    values = np.random.default_rng(0).normal(size=(30, 4))
    table, _ = read(pd.DataFrame(values).to_csv(index=index))
    assert len(table) == 30
    assert (np.stack([as_numbers(table.column(str(i))) for i in range(4)], 1) == values).all()


# Bytes and lists


def test_a_stray_byte_in_utf_8_is_a_letter_of_its_own(read: Any) -> None:
    """Other letters stay what they are; where most bytes are strays, the file is of a Western code page."""
    rows = ["name,n", "Zoë,1", "Łukasz,2", "Jürgen,3"]
    content = "\n".join(rows).encode() + "\nRené,4".encode("cp1252")
    assert read(content)[0].column("name").tolist() == ["Zoë", "Łukasz", "Jürgen", "René"]
    assert read("name,n\nZoë,1\nRené,2".encode("cp1252"))[0].column("name").tolist() == ["Zoë", "René"]


@pytest.mark.parametrize("labels", [["a;b", "b;c", "a;b"], ["0;1", "1;2", "0;1"]])
def test_labels_of_files_need_not_separate(read: Any, labels: list[str]) -> None:
    """Two in each row of a list without a header: what leaves names of files whole is what separates."""
    table, _ = read([f"{i}.jpg,{cell}" for i, cell in enumerate(labels)])
    assert rows_of(table) == [(f"{i}.jpg", cell) for i, cell in enumerate(labels)]
    table, _ = read([f"{i}.jpg;{cell.replace(';', ', ')}" for i, cell in enumerate(labels)])
    assert rows_of(table)[1][0] == "1.jpg"
