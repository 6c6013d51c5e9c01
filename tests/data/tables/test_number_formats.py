"""Number formats: what is learned from a training table, and how other tables are read by a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.readers.labels.target_column import NumberFormats
from headstart.data.readers.read import read_table
from headstart.data.readers.tables.table import Known, dataset_of_table
from headstart.data.tables.files.read_cells import read_cells
from headstart.data.tables.number_formats import LearnedNumbers, decimal_of, learn_numbers
from headstart.data.tables.preprocess import PLAIN, as_text, encode, read_number
from headstart.data.tables.table import Table, table_of_frame
from headstart.features.part_a import TABLE, PartA
from headstart.features.tables.table_encoder import learn_encoding
from headstart.features.tables.table_features import encode_table

Array = np.ndarray[Any, Any]
Form = Callable[[float, int], str]


def texts(*cells: str) -> Array:
    """A column as a CSV file gives it."""
    return np.array(cells, object)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """A function that reads the lines of a CSV file."""

    def read_lines(*lines: str) -> Table:
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        return read_cells(path)[0]

    return read_lines


def numbers_of(table: Table, name: str) -> LearnedNumbers:
    """A column of a table as numbers."""
    return learn_numbers(as_text(table.column(name)), table.decimal, table.separator)


# One number


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1,234.56", 1234.56, None),
        ("1.234,56", None, 1234.56),
        ("1 234,56", None, 1234.56),
        ("1\u202f234,56", None, 1234.56),
        ("1\u00a0234\u00a0567", 1234567, 1234567),
        ("1\u2009234.5", 1234.5, None),
        ("1'234.56", 1234.56, None),
        ("1\u2019234\u2019567", 1234567, 1234567),
        ("12,34,567.8", 1234567.8, None),
        ("1.234.567", None, 1234567),
        ("1.234", 1.234, 1234),
        ("1,234", 1234, 1.234),
        ("0,123", None, 0.123),
        ("3.5", 3.5, None),
        ("1e3", 1000, 1000),
        ("1.234e-05", 1.234e-05, None),
        ("\u22125", -5, -5),
        ("\u20135", -5, -5),
        ("(1,234)", -1234, -1.234),
        ("1.234,50-", None, -1234.5),
    ]
    + [
        (text, None, None)
        for text in ("1,23", "1.23.456,7", "1 23", "1,234,56", "--5", "(5", "5)", "-5-", "1_000", "\u0665")
    ]
    + [
        (text, None, None) for text in ("A12", "5-10", "120/80", "10:30", "2024-01-31", "5' 10\"", "12h30", ">5", "0x10", "")
    ],
)
def test_a_number_is_read_with_either_decimal_sign(text: str, point: float | None, comma: float | None) -> None:
    """Thousands go in groups of three, or of two after the first three as in India; anything else is no number."""
    if text == "1,23":
        comma = 1.23
    found = [read_number(text, sign) for sign in ".,"]
    assert [reading and reading.value for reading in found] == [point, comma]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("70 kg", 70, "kg"),
        ("70kg", 70, "kg"),
        ("12.5%", 12.5, "%"),
        ("$1,234.50", 1234.5, "$"),
        ("-$5", -5, "$"),
        ("$-5", -5, "$"),
        ("($1,234.50)", -1234.5, "$"),
        ("$(5)", -5, "$"),
        ("5 \u20ac", 5, "\u20ac"),
        ("\u20ac110.5M", 110_500_000, "\u20ac"),
        ("$12.3K", 12_300, "$"),
        ("USD 1.5 million", 1_500_000, "USD"),
        ("5 K", 5, "K"),
        ("\u20ac5", 5, "\u20ac"),
        ("CHF 1'234.50", 1234.5, "CHF"),
        ("R$ 5", 5, "R$"),
        ("Rs. 500", 500, "Rs"),
        ("Rs.500", 500, "Rs"),
        ("50 m2", 50, "m2"),
        ("3 m\u00b2", 3, "m\u00b2"),
        ("9 sq ft", 9, "sq ft"),
        ("1,200\uc6d0", 1200, "\uc6d0"),
        ("21.5 \u00b0C", 21.5, "\u00b0C"),
        ("10,000+", 10000, "+"),
        ("80 km/h", 80, "km/h"),
    ],
)
def test_a_unit_stands_before_or_behind_its_number(text: str, value: float, unit: str) -> None:
    """With a space or without one, and whatever the sign."""
    reading = read_number(text, ".")
    assert reading is not None
    assert (reading.value, reading.unit) == (value, unit)


@given(st.text(alphabet="0123456789.,' -+()$%\u202fkgeE", max_size=40))
def test_any_text_is_a_number_or_none(text: str) -> None:
    """Without an error, and with a value that is one."""
    for sign in ".,":
        reading = read_number(text, sign)
        assert reading is None or not np.isnan(reading.value)


def test_a_long_cell_is_read_in_no_time() -> None:
    """Spaces, digits and brackets without end are no number, and keep nobody waiting."""
    for text in ("(" + " " * 99_999 + "x", "1 " * 50_000, "9" * 300 + "x" * 99_999):
        assert read_number(text, ".") is None


# One column


@pytest.mark.parametrize(
    ("mark", "cells", "values"),
    [
        (";", "1,5 -0,25 3 1,100", [1.5, -0.25, 3, 1.1]),
        (";", "1.234,5 2.000 1.234.567,25 -3,5", [1234.5, 2000, 1234567.25, -3.5]),
        (";", "1,234,567 2,345 3,456,789 9,999", [1234567, 2345, 3456789, 9999]),  # two commas are no decimal ones
        (";", "1.234 2.345 3.456 9.999", [1234, 2345, 3456, 9999]),
        (";", "0.123 2.345 3.456 9.999", [0.123, 2.345, 3.456, 9.999]),
        ("\t", "1,100 2,250 999 ?", [1100, 2250, 999, np.nan]),
        ("\t", "1,100 2,25 999 ?", [1.1, 2.25, 999, np.nan]),
        ("\t", "0,123 1,100 2,250 NA", [0.123, 1.1, 2.25, np.nan]),
        ("\t", "1.234.567 1.100 950 1", [1234567, 1100, 950, 1]),
        (",", "1,234,567.8 -1,234 +12,000.5 7", [1234567.8, -1234, 12000.5, 7]),
        (",", "1,5 1,100 2 1e3", [1.5, 1.1, 2, 1000]),
        (",", "12,34,567 1,23,456 99,999 500", [1234567, 123456, 99999, 500]),
        (",", "1'234.5 950 12'000 7", [1234.5, 950, 12000, 7]),
        (";", "1\u202f234,5 950 12\u202f000 7", [1234.5, 950, 12000, 7]),
        (",", "1.5e3 2.25 inf 1e-3", [1500, 2.25, np.inf, 0.001]),
    ],
)
@pytest.mark.parametrize("has_header", [True, False])
def test_a_column_tells_its_decimal_sign(read: Any, mark: str, cells: str, values: list[float], has_header: bool) -> None:
    """By cells that can be read in one way only; else commas separate thousands, and are decimal between semicolons."""
    lines = [f'"{cell}"{mark}{word}' for cell, word in zip(cells.split(" "), "uvuv", strict=True)]
    table = read(*[f'"size, cm"{mark}kind'] * has_header, *lines)
    assert table.columns[0].tolist() == cells.split(" ")
    assert table.names[0] == ("size, cm" if has_header else "c0")
    assert numbers_of(table, table.names[0]).values.tolist() == pytest.approx(values, nan_ok=True)


def test_the_decimal_sign_is_that_of_the_whole_file(read: Any) -> None:
    """One column that surely has decimal commas tells of the others, and text stays as it stood, numbers in it too."""
    lines = [f"{i},{i}50\t1,{i}\t{'1,5' if i % 2 else 'about 1,5'}\t{i}.{i}00" for i in range(1, 9)]
    table = read("a\tb\tc\td", *lines)
    assert (table.decimal, table.separator) == (",", "\t")
    assert numbers_of(table, "a").values[:2].tolist() == [1.15, 2.25]
    assert numbers_of(table, "d").values[:2].tolist() == [1100, 2200]
    assert table.column("c").tolist()[:2] == ["1,5", "about 1,5"]
    alone = read("a\tc", *(line.split("\t")[0] + "\tx" for line in lines))
    assert alone.decimal == ""
    assert numbers_of(alone, "a").values[0] == 1150
    assert numbers_of(alone, "a").doubt == "1,150 is read as 1150, not as 1.15"


def test_a_column_that_is_sure_goes_its_own_way() -> None:
    """Decimal points in a table of decimal commas."""
    assert learn_numbers(texts("3.5", "1.234"), ",").values.tolist() == [3.5, 1.234]
    assert decimal_of([["3.5"], ["1,5"], ["2,5"], ["a 1.5"]]) == ","
    assert decimal_of([["3.5"], ["1,5"]]) == ""


def test_both_decimal_signs_in_a_column_are_reported() -> None:
    """Each cell that can be read in one way only is read in that way; the others follow the majority."""
    learned = learn_numbers(texts("1,5", "2,5", "3,250", "4.5"))
    assert learned.values.tolist() == [1.5, 2.5, 3.25, 4.5]
    assert learned.mixed == "2 cells have decimal commas, 1 decimal points (4.5)"


def test_a_column_of_numbers_may_hold_a_few_words(read: Any) -> None:
    """One cell in twenty, which counts as missing and is reported; more of them make it text."""
    cells = [f"{i},5" for i in range(39)] + ["about 3,5"]
    labels = np.arange(40) % 2
    encoding, notes = learn_encoding(read("n;m", *(f"{cell};{i * i % 7}" for i, cell in enumerate(cells))), labels, "binary")
    assert encoding["columns"][0]["written"] == PLAIN | {"decimal": ","}
    assert ("D206", 'n: 1 of 40 cells is not a number and is treated as missing ("about 3,5")') in notes
    table = read("n;m", *(f"{cell};{i * i % 7}" for i, cell in enumerate(cells[-9:])))
    specs = learn_encoding(table, labels[-9:], "binary")[0]["columns"]
    assert "number" not in [spec["kind"] for spec in specs if spec["name"] == "n"]


def test_a_unit_is_learned_with_its_column() -> None:
    """What nearly all cells have; other units count as missing, and cells without one are reported."""
    cells = texts(*[f"{i}.5 kg" for i in range(48)], "500 g", "70")
    encoding, notes = learn_encoding(Table(("w",), (cells,)), np.arange(50) % 2, "binary")
    (spec,) = encoding["columns"]
    assert (spec["kind"], spec["range"], spec["written"]["unit"]) == ("number", [0.5, 70], "kg")
    assert {note.code: note.measured for note in notes} == {
        "D206": 'w: 1 of 50 cells is not a number in kg and is treated as missing ("500 g")',
        "D213": "w: 1 of 50 cells have no unit and are read as kg",
    }
    with pytest.warns(UserWarning, match="training data|kg") as told:
        rows = encode({"w": ["7.5 kg", "7500 g", 7.5, "7.5"]}, encoding)
    assert rows[0] == rows[2] == rows[3] != rows[1]
    assert [str(warning.message) for warning in told] == [
        "w: 1 of 4 cells have no unit and are read as kg (7.5 as 7.5)",
        'w: 1 of 4 cells is not a number in kg and is treated as missing ("7500 g")',
    ]


def test_one_year_and_two_years_have_one_unit() -> None:
    """A plural is no other unit."""
    learned = learn_numbers(texts("1 year", "2 years", "3 years", "1 year"))
    assert (learned.values.tolist(), learned.written["unit"]) == ([1, 2, 3, 1], "year")
    assert np.isnan(learn_numbers(texts("1 m", "2 ms", "3 ms")).values).tolist() == [True, False, False]


def test_different_units_stay_text_and_are_reported() -> None:
    """A number without its unit would be another number."""
    cells = texts(*[f"{i} {'kg' if i % 2 else 'g'}" for i in range(40)])
    _, notes = learn_encoding(Table(("n", "w"), (np.arange(40.0) % 7, cells)), np.arange(40) // 20, "binary")
    assert ("D210", "w: 40 of 40 cells are numbers, with 2 units: g, kg (0 g)") in notes


@pytest.mark.parametrize("form", ["C{}", "P{:04d}", "10.0.0.{}", "{}-{}", "Room {}", "{}st floor 2", "Q{} 2024", "{}:30"])
def test_a_name_that_holds_a_number_is_none(form: str) -> None:
    """Cabins, addresses, ranges, rooms and times."""
    learned = learn_numbers(texts(*[form.format(i, i + 5) for i in range(1, 9)]))
    assert np.isnan(learned.values).all()


def test_a_row_above_amounts_may_be_one(read: Any) -> None:
    """A first row of numbers with units names no columns; words do."""
    lines = [f"{i}.5 kg,${i}" for i in range(9)]
    assert len(read(*lines)) == 9
    assert read("weight,price", *lines).names == ("weight", "price")
    assert len(read(*(f"1'{i};1\u202f{i};1 {i}" for i in range(100, 109)))) == 9


def test_columns_of_written_numbers_tell_rows_apart(tmp_path: Path) -> None:
    """A row that is like another but for such a number is no copy of it."""
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["price;kind;y", *(f"{i},5 \u20ac;{i % 2};{i // 2 % 2}" for i in range(40))]))
    assert len(set(read_table(path).digests)) == 40


def test_rows_of_two_files_are_written_alike() -> None:
    """Joined rows have the decimal sign of the first."""
    points = Table(("a",), (texts("1.5", "1.100"),), decimal=".")
    commas = Table(("a",), (texts("2,5", "1.100", "x"),), decimal=",")
    assert points.plus(commas).column("a").tolist() == ["1.5", "1.100", "2.5", "1,100", "x"]
    assert points.plus(points).column("a").tolist() == ["1.5", "1.100"] * 2


# Sixty pairs of files and more


def _grouped(value: float, decimals: int, point: str, mark: str) -> str:
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", mark + point))


def _indian(value: float, decimals: int) -> str:
    whole, _, rest = f"{value:.{decimals}f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    parts: list[str] = []
    while head:
        head, part = head[:-2], head[-2:]
        parts.insert(0, part)
    return ",".join([*parts, tail]) + (f".{rest}" if rest else "")


LOCALES: dict[str, tuple[str, Form]] = {  # what separates cells, and how a number is written
    "en-US": (",", lambda value, decimals: _grouped(value, decimals, ".", ",")),
    "de-DE": (";", lambda value, decimals: _grouped(value, decimals, ",", ".")),
    "fr-FR": (";", lambda value, decimals: _grouped(value, decimals, ",", "\u202f")),
    "de-CH": (";", lambda value, decimals: _grouped(value, decimals, ".", "'")),
    "en-IN": (",", _indian),
    "sv-SE": ("\t", lambda value, decimals: _grouped(value, decimals, ",", "\u00a0")),
}
DECIMALS = {"whole": 0, "ratio": 3, "small": 1, "weight": 2}
UNITS = {"weight": " kg"}
CONTENTS = [["whole"], ["ratio"], ["small"], ["weight"], ["whole", "ratio"], list(DECIMALS)]


def values_of(seed: int, num_rows: int) -> dict[str, Array]:
    """Thousands alone, three decimals that look like thousands, small numbers, and some with a unit."""
    random = np.random.default_rng(seed)
    return {
        "whole": random.integers(1000, 999_999, num_rows).astype(float),
        "ratio": random.integers(1001, 9999, num_rows) / 1000,
        "small": random.integers(1, 999, num_rows) / 10,
        "weight": random.integers(100_000, 9_999_999, num_rows) / 100,
    }


def write(path: Path, locale: str, values: dict[str, Array]) -> Path:
    """A CSV file as people of that place write it."""
    separator, form = LOCALES[locale]
    cells = {
        name: [f'"{form(value, DECIMALS[name])}{UNITS.get(name, "")}"' for value in column]
        for name, column in values.items()
    }
    lines = [separator.join(row) for row in zip(*cells.values(), strict=True)]
    path.write_text("\n".join([separator.join(cells), *lines]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The encoding that a training file of each place teaches."""
    folder = tmp_path_factory.mktemp("locales")
    labels = np.arange(60) % 2
    return {
        locale: learn_encoding(read_cells(write(folder / f"{locale}.csv", locale, values_of(0, 60)))[0], labels, "binary")[0]
        for locale in LOCALES
    }


@pytest.mark.parametrize("locale", LOCALES)
def test_a_training_file_teaches_its_format(taught: dict[str, dict[str, Any]], locale: str) -> None:
    """Each place teaches the same numbers, in its own writing."""
    plain = learn_encoding(Table(tuple(DECIMALS), tuple(values_of(0, 60).values())), np.arange(60) % 2, "binary")[0]
    sign = "," if locale in ("de-DE", "fr-FR", "sv-SE") else "."
    for spec, expected in zip(taught[locale]["columns"], plain["columns"], strict=True):
        assert (spec["range"], spec["offset"], spec["scale"]) == (expected["range"], expected["offset"], expected["scale"])
        assert (spec["written"]["decimal"], spec["written"]["unit"]) == (sign, UNITS.get(spec["name"], "").strip())


@pytest.mark.parametrize("contents", CONTENTS, ids="+".join)
@pytest.mark.parametrize("given", LOCALES)
@pytest.mark.parametrize("learned", LOCALES)
def test_a_file_is_read_as_training_was_or_reported(
    taught: dict[str, dict[str, Any]], tmp_path: Path, learned: str, given: str, contents: list[str]
) -> None:
    """Rows to predict are those of the same numbers with plain points, or a warning names the column that differs."""
    encoding = taught[learned]
    specs = [spec for spec in encoding["columns"] if spec["name"] in contents]
    encoding = encoding | {"width": len(specs), "num_dense": len(specs), "columns": specs}
    values = {name: column for name, column in values_of(1, 8).items() if name in contents}
    table = read_cells(write(tmp_path / "new.csv", given, values))[0]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        columns = dict(zip(table.names, table.columns, strict=True))
        rows = encode(columns, encoding, table.separator, table.decimal)
        expected = encode(values, encoding)
    messages = [str(warning.message) for warning in told]
    for place, name in enumerate(contents):
        is_right = np.array_equal(rows[:, place], expected[:, place])
        assert is_right or any(message.startswith(f"{name}: ") for message in messages), (name, table.column(name), messages)
    if learned == given:
        assert messages == []


def test_frames_and_parquet_with_text_numbers_are_read_alike(taught: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Text of a data frame is read by the format that was learned, and its numbers are taken as they are."""
    values = values_of(1, 8)
    frame = pd.read_csv(write(tmp_path / "new.csv", "de-DE", values), sep=";", dtype=str)
    frame.to_parquet(tmp_path / "new.parquet")
    expected = encode(values, taught["de-DE"])
    for table in (table_of_frame(frame), read_cells(tmp_path / "new.parquet")[0], table_of_frame(pd.DataFrame(values))):
        columns = dict(zip(table.names, table.columns, strict=True))
        assert np.array_equal(encode(columns, taught["de-DE"], table.separator, table.decimal), expected)


# What contradicts


def encoding_of(**columns: Array) -> dict[str, Any]:
    """What these columns teach."""
    decimal = decimal_of([column.tolist() for column in columns.values() if column.dtype == object])
    table = Table(tuple(columns), tuple(columns.values()), decimal=decimal)
    return learn_encoding(table, np.arange(len(table)) % 2, "binary")[0]


def test_what_is_ambiguous_is_read_as_learned() -> None:
    """A cell alone: one comma is decimal to the one model, and separates thousands to the other."""
    decimal = encoding_of(a=texts(*[f"{i},{i}25" for i in range(9)]))
    thousands = encoding_of(a=texts(*[f"{i},{i}25,500" for i in range(1, 9)]))
    assert encode({"a": ["1,100"]}, decimal).tolist() == encode({"a": [1.1]}, decimal).tolist()
    with pytest.warns(UserWarning, match="outside the range"):
        assert encode({"a": ["1,100"]}, thousands).tolist() == encode({"a": [1100]}, thousands).tolist()


def test_the_other_decimal_sign_is_reported_and_counts_for_the_whole_table() -> None:
    """A column that is sure tells of one that is not; cells of the learned format among them keep it."""
    encoding = encoding_of(a=texts(*[f"{i},5" for i in range(9)]), b=texts(*[f"{i}.{i}00" for i in range(1, 10)]))
    with pytest.warns(UserWarning, match="training data|kg") as told:
        rows = encode({"a": ["3.5", "4.5"], "b": ["1.100", "2.200"]}, encoding)
    assert [str(warning.message) for warning in told] == [
        "a: 2 of 2 cells do not have the format of the training data, which has decimal commas (3.5 as 3.5, 4.5 as 4.5)",
        "b: 2 of 2 cells do not have the format of the training data, which has decimal commas (1.100 as 1.1, 2.200 as 2.2)",
        "b: 2 of 2 values are outside the range of the training data (1100 to 9900): 1.1 to 2.2",
    ]
    with pytest.warns(UserWarning, match="b: 2 of 2 values"):
        assert rows.tolist() == encode({"a": [3.5, 4.5], "b": [1.1, 2.2]}, encoding).tolist()
    with pytest.warns(UserWarning, match="1 of 2 cells do not have the format"):
        rows = encode({"a": ["3.5", "4,5"], "b": ["1.100", "2.200"]}, encoding)
    assert rows.tolist() == encode({"a": [3.5, 4.5], "b": [1100, 2200]}, encoding).tolist()


def test_a_role_that_no_training_cell_had_is_reported() -> None:
    """Three digits after a sign that was never seen, unless a cell of the table tells what it is."""
    encoding = encoding_of(a=texts(*[str(i * 7 % 3001) for i in range(9000)]), b=texts(*[f"{i}.5" for i in range(9000)]))
    with pytest.warns(UserWarning, match="training data") as told:
        encode({"a": ["1.234", "5"], "b": ["1,234", "5"]}, encoding)
    assert [str(warning.message) for warning in told] == [
        "a: 1 of 2 cells are ambiguous and are read with decimal points, as in the training data (1.234 as 1.234)",
        "b: 1 of 2 cells are ambiguous and are read with decimal points, as in the training data (1,234 as 1234)",
    ]
    rows = encode({"a": ["1.234", "5"], "b": ["1,234", "5.5"]}, encoding)
    assert rows.tolist() == encode({"a": [1.234, 5], "b": [1234, 5.5]}, encoding).tolist()


def test_another_separator_between_cells_is_a_sign(read: Any) -> None:
    """It makes a cell doubtful that the format alone would not."""
    table = read("a;b", *(f"1.{i}50,5;{i}" for i in range(1, 10)))
    encoding = learn_encoding(table, np.arange(9) % 2, "binary")[0]
    assert encoding["separator"] == ";"
    encode({"a": ["1.234"], "b": ["5"]}, encoding, ";")
    with pytest.warns(UserWarning, match="a: 1 of 1 cells are ambiguous"):
        encode({"a": ["1.234"], "b": ["5"]}, encoding, ",")


def test_most_values_outside_the_range_are_reported() -> None:
    """Of numbers too, by column; half of them are not yet most."""
    encoding = encoding_of(a=np.arange(9.0), b=np.arange(9.0) ** 2)
    encode({"a": [1, 99], "b": [np.nan, 64]}, encoding)
    with pytest.warns(UserWarning, match="training data|kg") as told:
        encode({"a": [1, 99, -5], "b": [np.nan, np.nan, 64]}, encoding)
    assert [str(warning.message) for warning in told] == [
        "a: 2 of 3 values are outside the range of the training data (0 to 8): -5 to 99"
    ]


def test_rows_outside_training_that_do_not_fit_are_a_finding(tmp_path: Path) -> None:
    """What the training rows teach is held against the others, and changes nothing of what was learned."""
    rows = [f"{i}.5 kg,{i % 2},train" for i in range(40)] + [f"{i}00.5 g,{i % 2},test" for i in range(4)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["w,y,split", *rows]))
    features = encode_table(read_table(path, target="y"), PartA(TABLE))
    assert features.encoding["columns"][0]["written"]["unit"] == "kg"
    assert [tuple(note) for note in features.notes] == [
        ("D214", 'w: 4 of 4 cells are not numbers in kg and are treated as missing ("000.5 g", "100.5 g", "200.5 g")')
    ]


# Targets


@pytest.mark.parametrize(
    ("form", "unit"),
    [
        ("${:,.0f}", "$"),
        ("{:.1f}%", "%"),
        ("{:.0f} kg", "kg"),
        ("({:,.0f})", ""),
        ("\u20ac {:,.2f}", "\u20ac"),
        ("{:,.2f} CHF", "CHF"),
    ],
)
def test_a_target_may_have_signs_and_units(form: str, unit: str) -> None:
    """Prices, shares and weights are values of a regression, in their unit."""
    values = np.linspace(1000, 30_000, 50).round()
    frame = pd.DataFrame({"x": range(50), "y": [form.format(value) for value in values]})
    dataset = read_table(frame)
    assert (dataset.task, unit in dataset.task_reason) == ("regression", True)
    assert np.abs(dataset.labels.ravel()).tolist() == values.tolist()
    assert dataset.target_formats["y"]["unit"] == unit


def test_a_target_is_read_by_the_learned_format(tmp_path: Path) -> None:
    """An evaluation reads it as the fit did, and reports what contradicts."""
    path = tmp_path / "new.csv"
    path.write_text("x\ty\n1\t1.100\n2\t2.200\n")
    formats = NumberFormats({"y": PLAIN | {"decimal": ",", "thousands": "."}})
    known = Known(("y",), "regression", ("y",), columns=("x", "y"), reads=("x",), formats=formats)
    assert dataset_of_table(path, known=known).labels.ravel().tolist() == [1100, 2200]
    assert dataset_of_table(path, target="y").labels.ravel().tolist() == [1.1, 2.2]
    path.write_text("x\ty\n1\t1.100\n2\t2.25\n")
    with pytest.warns(UserWarning, match="y: 2 of 2 cells do not have the format of the training data"):
        assert dataset_of_table(path, known=known).labels.ravel().tolist() == [1.1, 2.25]


def test_numbers_that_are_classes_have_one_name_in_any_writing() -> None:
    """1, 1.0 and 1,0 are one class; numbers with units keep them."""
    frame = pd.DataFrame({"x": range(9), "label": ["1,0", "2,0", "3,0"] * 3})
    assert read_table(frame).classes == ("1", "2", "3")
    assert read_table(frame.assign(label=["5 %", "10 %", "20 %"] * 3)).classes == ("5 %", "10 %", "20 %")
    assert set(read_table(frame.assign(label=["red", "1,000", "2"] * 3)).classes) == {"red", "1,000", "2"}


@pytest.mark.parametrize(
    ("text", "decimal", "value", "unit"),
    [("1.200,-", ",", 1200, ""), ("CHF 1'200.-", ".", 1200, "CHF"), ("12,-- €", ",", 12, "€"), ("5-", ".", -5, "")],
)
def test_a_dash_in_place_of_decimals_is_no_sign(text: str, decimal: str, value: float, unit: str) -> None:
    """Prices are written so in Germany and Switzerland; a dash behind the number alone is a minus."""
    reading = read_number(text, decimal)
    assert reading is not None
    assert (reading.value, reading.unit) == (value, unit)
