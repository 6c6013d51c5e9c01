"""What is learned from a table: what each column is, which are left out and why, and numbers without long tails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.tables.preprocess import encode, typed
from headstart.data.tables.table import Table
from headstart.features.tables.column import Note
from headstart.features.tables.table_encoder import learn_encoding
from headstart.features.tables.table_features import cells_to_read
from headstart.foundation.errors import DatasetError

Array = np.ndarray[Any, Any]

NOISE = np.random.default_rng(0).normal(size=400)
LABELS = np.random.default_rng(1).integers(0, 3, 400)


def texts(cells: Sequence[Any] | Array) -> Array:
    """A column as a CSV file gives it."""
    return np.array([str(cell) for cell in cells], object)


def table(**columns: Array) -> Table:
    """A table of columns by name."""
    return Table(tuple(columns), tuple(columns.values()))


def learn(labels: Array | None = None, task: str = "multiclass", **columns: Array) -> Any:
    """The specs by name, and the notes, of columns beside one that is always used."""
    num_rows = len(next(iter(columns.values())))
    labels = LABELS[:num_rows] if labels is None else labels
    encoding, notes = learn_encoding(table(noise=NOISE[:num_rows], **columns), labels, task)
    assert encoding["width"] == encode({"noise": NOISE[:num_rows], **columns}, encoding).shape[1]
    json.dumps(encoding, allow_nan=False)
    specs = {spec["name"]: spec for spec in encoding["columns"]}
    assert specs.pop("noise")["kind"] == "number"
    return specs, notes


def refused(code: str, measured: str, **settings: Any) -> None:
    """The only column is left out with this note."""
    specs, notes = learn(**settings)
    assert specs == {}
    assert [(note.code, measured in note.measured) for note in notes] == [(code, True)]


def test_read_column_decides_the_kind() -> None:
    """Text is a number or a date if nearly all of it is, otherwise a category."""
    days = np.datetime64("2024-01-01T00:00") + np.random.default_rng(2).integers(0, 99999, 100)
    specs, notes = learn(
        number=texts(NOISE[:100].round(2)),
        date=texts(days),
        real_date=days.astype("datetime64[s]"),
        category="kind " + texts(LABELS[100:200] * 10),
    )
    assert {name: spec["kind"] for name, spec in specs.items()} == {
        "number": "number",
        "date": "date",
        "category": "category",
    }
    assert [(note.code, note.measured) for note in notes] == [("D204", "real_date: duplicates date in all 100 rows")]


@pytest.mark.filterwarnings("ignore:.*treated as missing:UserWarning")
def test_read_column_reports_cells_that_do_not_fit() -> None:
    """A few words among numbers, and infinities, are treated as missing and reported."""
    cells = texts(NOISE[:100].round(3))
    cells[:4] = ["n.s.", "?", "inf", "low"]
    specs, notes = learn(cells=cells)
    assert specs["cells"]["flag"]
    assert [(note.code, note.measured) for note in notes] == [
        ("D206", 'cells: 2 of 100 cells are not numbers and are treated as missing ("low", "n.s.")'),
        ("D207", 'cells: 1 of 100 cells is infinite and is treated as missing ("inf")'),
    ]
    cells[:30] = "unknown"  # a word that says that there is no value
    specs, notes = learn(cells=cells)
    assert (specs["cells"]["kind"], specs["cells"]["flag"]) == ("number", True)
    assert [note.code for note in notes] == ["D206"]


def test_numbers_that_are_read_as_text_are_reported() -> None:
    """With too many different words among them, or several units; names that contain a digit are not numbers."""
    numbers = texts(NOISE[:100].round(3))
    numbers[:10] = [f"word {i % 5}" for i in range(10)]
    units = texts([f"{cell:.1f} {'kg' if i % 2 else 'lb'}" for i, cell in enumerate(70 + 9 * NOISE[:100])])
    dollars = texts([f"{'' if i % 3 else '~'}$1,{cell:03.0f}" for i, cell in enumerate(500 + 90 * NOISE[:100])])
    codes, addresses = (texts([form.format(i) for i in range(100)]) for form in ("P{:04d}", "10.0.0.{}"))
    assert not [note for note in learn(codes=codes, addresses=addresses)[1] if note.code == "D210"]
    cabins = texts([f"{'ABCDEFG'[i % 7]}{i % 40}" for i in range(100)])
    _, notes = learn(numbers=numbers, units=units, dollars=dollars, cabins=cabins)
    told = {note.measured.split(" (")[0] for note in notes if note.code == "D210"}
    assert told == {
        "numbers: 90 of 100 cells are numbers",
        "units: 100 of 100 cells are numbers, with 2 units: kg, lb",
        "dollars: 100 of 100 cells are numbers with the unit $",
    }


def test_dates_have_the_month_first_if_more_cells_fit() -> None:
    """The month comes first if more cells can be read only that way."""
    specs, notes = learn(day=texts(["1/2/2024", "1/31/2024", "2/15/2024", "3/1/2024"] * 10))
    assert specs["day"]["order"] == "MDY"
    assert notes == []


@pytest.mark.parametrize(
    ("days", "order", "told"),
    [
        (
            [f"{month}/1/2011" for month in range(1, 13)],
            "MDY",
            "month first: 10/1/2011 is read as 2011-10-01, not 2011-01-10",
        ),
        ([f"1/{month}/2011" for month in range(1, 13)], "DMY", "day first: 1/10/2011 is read as 2011-10-01, not 2011-01-10"),
        (["1/2/2011", "2/1/2011"], "DMY", "2 of 2 different texts, day first"),
        ([f"{day}.1.2011" for day in range(1, 13)], "", ""),
        (["1/1/2011", "2/2/2011", "2011-03-04"], "DMY", ""),
    ],
)
def test_ambiguous_dates_are_reported(days: list[str], order: str, told: str) -> None:
    """The order with fewer days of the month is chosen, else the day first, with a report; with dots there is no doubt."""
    specs, notes = learn(day=texts(days * 10))
    assert specs["day"]["order"] == order
    assert [(note.code, told in note.measured) for note in notes] == ([("D209", True)] if told else [])


@pytest.mark.parametrize(
    ("days", "order"),
    [
        ([f"{1 + i // 12}/{1 + i % 12}/2011" for i in range(144)], "MDY"),
        ([f"{1 + i % 12}/{1 + i // 12}/2011" for i in range(144)], "DMY"),
        ([f"21.{1 + i // 28:02}.{1 + i % 28:02}" for i in range(336)], "YMD"),
        ([f"{1 + i % 28:02}-{1 + i // 28:02}-21" for i in range(336)], "DMY"),
    ],
)
def test_order_of_rows_decides_how_dates_are_read(days: list[str], order: str) -> None:
    """Of several readings, the one whose dates rise from row to row is chosen without doubt."""
    specs, notes = learn(day=texts(days), labels=np.arange(len(days)) % 3)
    assert (specs["day"]["order"], notes) == (order, [])


def test_dates_of_both_orders_are_reported() -> None:
    """If half of the dates have the day first and half the month, neither reading fits, and they are text."""
    cells = [
        f"{13 + i % 15}/{1 + i % 12}/{1990 + i}" if i % 2 else f"{1 + i % 12}/{13 + i % 15}/{1990 + i}" for i in range(40)
    ]
    refused("D215", "40 different texts in 40 rows, such as", day=texts(cells))


def test_two_digit_years_come_first_if_the_dates_are_then_close_together() -> None:
    """As in Korea and Japan; the other reading is reported."""
    days = np.random.default_rng(0).integers(0, 336, 200)
    for form, order in (("21.{1:02}.{0:02}", "YMD"), ("{0:02}/{1:02}/21", "DMY")):
        specs, notes = learn(day=texts([form.format(1 + day % 28, 1 + day // 28) for day in days]))
        assert (specs["day"]["order"], [note.code for note in notes]) == (order, ["D209"])


MOMENTS = [datetime(2019, 3, 1) + timedelta(minutes=int(m)) for m in np.random.default_rng(5).integers(0, 1_500_000, 200)]
WAYS = {
    "iso": "%Y-%m-%d %H:%M:%S",
    "iso with T, fraction and Z": "%Y-%m-%dT%H:%M:%S.000Z",
    "am and pm": "%m/%d/%Y %I:%M:%S %p",
    "day first": "%d.%m.%Y %H:%M",
    "name of the month": "%d-%b-%Y %H:%M",
    "month first": "%B %d, %Y at %I:%M %p",
    "zone": "%Y-%m-%d %H:%M:%S UTC",
    "offset": "%Y-%m-%d %H:%M:%S +0000",
    "compact": "%Y%m%d%H%M%S",
    "compact with T": "%Y%m%dT%H%MZ",
    "weekday": "%a %b %d, %Y %H:%M",
    "mail": "%a, %d %b %Y %H:%M:%S +0000",
    "unix": "%a %b %d %H:%M:%S UTC %Y",
    "server": "%d/%b/%Y:%H:%M:%S +0000",
    "camera": "%Y:%m:%d %H:%M:%S",
    "oracle": "%d-%b-%y %I.%M.%S.000000 %p",
    "korean": "%Y년 %m월 %d일 %H시 %M분",
}


@pytest.mark.parametrize("form", WAYS.values(), ids=WAYS)
def test_moments_are_encoded_alike_in_every_format(form: str) -> None:
    """Same encoding, except for the description of the format; same rows; and no finding."""
    plain, written = (texts([moment.strftime(one) for moment in MOMENTS]) for one in (WAYS["iso"], form))
    labels = np.arange(200) % 2
    (expected, _), (found, notes) = (learn_encoding(table(moment=cells), labels, "binary") for cells in (plain, written))
    np.testing.assert_allclose(encode({"moment": written}, found), encode({"moment": plain}, expected), atol=1e-6)
    assert notes == []
    assert found["width"] == 10  # days; the year, the week and the day


def test_korean_afternoons_are_read() -> None:
    """오전 and 오후 come before the time."""
    half = {True: "오전", False: "오후"}
    cells = [f"{m.year}. {m.month}. {m.day}. {half[m.hour < 12]} {m.hour % 12 or 12}:{m.minute:02}" for m in MOMENTS]
    days = typed({"m": cells}, learn_encoding(table(m=texts(cells)), np.arange(200) % 2, "binary")[0])["m"]
    np.testing.assert_allclose(days, [(moment - datetime(1970, 1, 1)) / timedelta(days=1) for moment in MOMENTS])


@pytest.mark.parametrize(
    ("form", "holds", "periods"),
    [
        ("%H:%M", "time", [1]),
        ("%I:%M %p", "time", [1]),
        ("%b %d", "season", [365.2425]),
        ("%m월 %d일", "season", [365.2425]),
        ("%Y-%m", "date", [365.2425]),
        ("%B %Y", "date", [365.2425]),
        ("%b-%y", "date", [365.2425]),
        ("%Y년 %m월", "date", [365.2425]),
        ("%Y%m", "date", [365.2425]),
        ("%Y-%m-%d", "date", [365.2425, 7]),
        ("%Y-%m-%d 06:00", "date", [365.2425, 7]),
        ("%Y-%m-%d %H:%M", "date", [365.2425, 7, 1]),
    ],
)
def test_dates_have_periods(form: str, holds: str, periods: list[float]) -> None:
    """Cells have a position in the year, the week and the day, as far as they contain it."""
    specs, notes = learn(when=texts([moment.strftime(form) for moment in MOMENTS]))
    assert (specs["when"]["kind"], specs["when"]["holds"], specs["when"]["periods"]) == ("date", holds, periods)
    assert notes == []


def test_names_of_weekdays_alone_are_categories_and_numbered_months_numbers() -> None:
    """Names of weekdays have no order as numbers; what follows the number of a month is its unit."""
    specs, _ = learn(
        day=texts([f"{'월화수목금토일'[m.weekday()]}요일" for m in MOMENTS]), month=texts([f"{m.month}월" for m in MOMENTS])
    )
    assert (specs["day"]["kind"], len(specs["day"]["levels"])) == ("category", 7)
    assert (specs["month"]["kind"], specs["month"]["written"]["unit"]) == ("number", "월")


@pytest.mark.parametrize(
    "cells",
    [
        20_210_000 + np.random.default_rng(0).integers(1, 5000, 200),
        np.random.default_rng(0).integers(19_000_000, 21_000_000, 200),
        np.random.default_rng(0).integers(190_000, 210_000, 200),
        np.random.default_rng(0).choice([202101, 202102], 200),
        np.random.default_rng(0).integers(0, 300_000_000, 200),
    ],
)
def test_whole_numbers_that_only_look_like_dates_stay_numbers(cells: Array) -> None:
    """As text and as numbers: nearly all must be dates of one length, with enough different ones."""
    for column in (texts(cells), cells.astype(float)):
        assert learn(amount=column)[0]["amount"]["kind"] == "number"


def test_whole_numbers_of_a_frame_are_dates_too() -> None:
    """Numbers and text are read alike, in learning and later."""
    numbers = np.array([float(f"{moment:%Y%m%d}") for moment in MOMENTS])
    encoding, _ = learn_encoding(table(d=numbers), np.arange(200) % 2, "binary")
    np.testing.assert_allclose(
        typed({"d": numbers}, encoding)["d"], [(m - datetime(1970, 1, 1)).days for m in MOMENTS], atol=1e-9
    )
    assert encode({"d": texts([f"{number:.0f}" for number in numbers])}, encoding).tolist() == (
        encode({"d": numbers}, encoding).tolist()
    )


def test_cells_that_do_not_fit_the_learned_dates_are_missing_and_reported() -> None:
    """Another order, a time alone, and digits instead of names; dates with only one possible reading are read."""
    encoding, _ = learn_encoding(table(d=texts([f"{m:%m/%d/%Y}" for m in MOMENTS])), np.arange(200) % 2, "binary")
    cells = ["12/31/2020", "31/12/2020", "13:45", "20201231", "2020-12-31", "31 Dec 2020"]
    with pytest.warns(UserWarning, match=r'd: 3 of 6 cells .*\("13:45", "20201231", "31/12/2020"\)'):
        days = typed({"d": cells}, encoding)["d"]
    assert np.isnan(days).tolist() == [False, True, True, True, False, False]
    assert len(set(days[[0, 4, 5]])) == 1


def test_text_that_only_looks_like_dates_is_reported() -> None:
    """Both if it only identifies rows and if it is used as a category. Other text is not called dates."""
    weeks = texts([f"{m:%Y}-W{m.day:02}-{i}" for i, m in enumerate(MOMENTS)])
    refused("D215", "200 different texts in 200 rows, such as", whatever=weeks)
    refused(
        "D215", "200 different texts", whatever=texts([f"{m.day}. März {m:%Y}, Zeile {i}" for i, m in enumerate(MOMENTS)])
    )
    refused("D215", "200 different texts", date=texts([f"d{i}x{m.day}" for i, m in enumerate(MOMENTS)]))
    specs, notes = learn(slot=texts([f"{m.hour}:00-{m.hour + 1}:00" for m in MOMENTS]))
    assert (specs["slot"]["kind"], [note.code for note in notes]) == ("category", ["D215"])
    refused("D203", "200 different texts", whatever=texts([f"10.0.{i}.17" for i in range(200)]))


@pytest.mark.parametrize(
    "form",
    ["{m.day:02}.{m.month:02}.", "{m.month:02}-{m.day:02}", "{m.hour}h{m.minute:02}", "令和{y}年{m.month}月{m.day}日"],
)
def test_dates_that_are_not_read_are_reported(form: str) -> None:
    """Days without a year, times with an h, and years of an era."""
    _, notes = learn(slot=texts([form.format(m=m, y=m.year - 2018) for m in MOMENTS]))
    assert [note.code for note in notes] == ["D215"]


@pytest.mark.parametrize("form", ["~{:.2f}", "< {:.2f}", "{:.1f} ± 0.5"])
def test_inexact_numbers_are_reported_as_numbers(form: str) -> None:
    """They are never reported as only identifying a row."""
    refused("D210", "200 of 200 cells are numbers (", size=texts([form.format(i / 7) for i in range(200)]))


@pytest.mark.parametrize("zero", ["０", "٠", "०"])
def test_numbers_in_other_digits_are_reported_as_numbers(zero: str) -> None:
    """Full-width, Arabic and Devanagari digits."""
    digits = str.maketrans({str(i): chr(ord(zero) + i) for i in range(10)})
    refused("D210", "200 of 200 cells are numbers (", size=texts([f"{i / 7:.2f}".translate(digits) for i in range(200)]))


def test_numbers_are_filled_and_standardised() -> None:
    """Missing numbers become the median, and get a flag if there are enough of them."""
    cells = np.random.default_rng(2).normal(5, 2, 200)
    specs, _ = learn(few=np.where(np.arange(200) < 1, np.nan, cells), many=np.where(np.arange(200) < 2, np.nan, cells))
    assert specs["few"]["flag"] is False
    assert specs["many"]["flag"] is True
    assert specs["many"]["fill"] == pytest.approx(np.median(cells[2:]), rel=1e-6)
    assert specs["many"]["offset"] == pytest.approx(cells[2:].mean(), rel=1e-6)
    assert specs["many"]["scale"] == pytest.approx(cells[2:].std(), rel=1e-6)


@pytest.mark.parametrize(
    ("cells", "transform"),
    [
        (NOISE + 1, "none"),
        (np.exp(2 * NOISE + 5), "log"),
        (np.sinh(4 * NOISE), "log"),
        (np.exp(2 * NOISE) * 1e-6, "quantile"),
        (np.where(np.arange(400) < 40, 7.0 + np.arange(400) % 5, 0.0), "none"),
    ],
)
def test_transform_removes_long_tails(cells: Array, transform: str) -> None:
    """The mildest sufficient transform is chosen, and none if there are too few values for quantiles."""
    assert learn(cells=cells)[0]["cells"]["transform"] == transform


def test_quantile_transform_gives_normal_scores() -> None:
    """Any distribution becomes normal, within the range of the scores."""
    cells = np.exp(3 * NOISE) * 1e-7
    encoding, _ = learn_encoding(table(cells=cells), LABELS, "multiclass")
    (spec,) = encoding["columns"]
    assert len(spec["knots"]) == len(spec["values"]) == 32
    assert max(map(abs, spec["values"])) <= 2.5
    assert np.corrcoef(encode({"cells": cells}, encoding)[:, 0], np.argsort(np.argsort(cells)))[0, 1] > 0.8


def test_category_levels() -> None:
    """The most frequent level comes first, rare ones are merged, and missing is a level if it is frequent."""
    specs, _ = learn(c=texts(["a"] * 20 + ["b"] * 60 + [""] * 10 + ["?"] * 9 + ["rare"]))
    assert specs["c"] == {"name": "c", "kind": "category", "levels": ["b", "a", ""], "two_way": False}
    assert learn(c=texts(["yes", "no"] * 20))[0]["c"] == {
        "name": "c",
        "kind": "category",
        "levels": ["no", "yes"],
        "two_way": True,
    }
    assert learn(c=texts(["yes", "no"] * 20 + ["maybe"]))[0]["c"]["two_way"] is False
    assert learn(c=texts(["yes", "no"] * 20 + [""]))[0]["c"]["two_way"] is False


def test_category_levels_need_more_rows_in_large_tables() -> None:
    """A level below two in a thousand is merged into "other"."""
    cells = texts(["a", "b"] * 750 + ["c"] * 3 + ["d"] * 2)
    encoding, _ = learn_encoding(table(c=cells), np.random.default_rng(0).integers(0, 2, len(cells)), "binary")
    assert encoding["columns"][0]["levels"] == ["a", "b"]  # 3.01 rows at least


def test_booleans_have_one_spelling() -> None:
    """TRUE and FALSE, as R and Excel write them, equal the booleans of a data frame."""
    flags = np.arange(40) % 3 == 0
    spec = learn(c=np.where(flags, "TRUE", "false").astype(object))[0]["c"]
    assert spec["levels"] == ["False", "True"]
    assert typed({"c": flags}, {"columns": [spec]})["c"].tolist() == [str(flag) for flag in flags.tolist()]


def test_constant_with_missing_cells_is_not_scaled_up() -> None:
    """The mean of equal numbers may differ from them by rounding: another number still stays small."""
    encoding, _ = learn_encoding(table(c=np.array([np.nan] * 30 + [0.1] * 10)), LABELS[:40], "multiclass")
    assert encode({"c": [0.1, 0.2]}, encoding)[:, 0] == pytest.approx([0, 0.1])


def test_large_category_has_one_hot_levels_and_codes() -> None:
    """The most frequent levels have columns of their own, and all that occur twice have a code."""
    cells = texts([f"town {number // 2}" for number in range(98)] + ["city"] * 5 + ["single"])
    specs, _ = learn(c=cells)
    assert len(specs["c"]["levels"]) == 32
    assert len(specs["c"]["codes"]) == 50
    assert specs["c"]["codes"][:2] == ["city", "town 0"]
    assert "single" not in specs["c"]["codes"]


def test_empty_and_constant_columns_are_dropped() -> None:
    """Columns of missing cells only, or of one value; a constant that is sometimes missing is kept."""
    refused("D201", "all 50 cells", c=texts(["", "?"] * 25))
    refused("D201", "all 50 cells", c=np.full(50, np.nan))
    refused("D202", "same value, x, in 50 of 50", c=texts(["x"] * 50))
    refused("D202", "same value, 3, in 50 of 50", c=np.full(50, 3.0))
    refused("D202", "in 49 of 50", c=texts([""] + ["x"] * 49))
    assert learn(c=texts(["", "x"] * 25))[0]["c"]["levels"] == ["", "x"]
    assert learn(c=np.array([np.nan, 3.0] * 25))[0]["c"]["flag"]


def test_sentences_are_dropped_as_free_text() -> None:
    """They differ in nearly every row, but are no ids; the error for a table of nothing else gives a command that works."""
    sentences = texts([f"what was said on day {number}" for number in range(100)])
    refused("D220", "100 different texts of 6 words on average in 100 rows", c=sentences)
    with pytest.raises(DatasetError, match="H114") as caught:
        learn_encoding(table(message=sentences), np.arange(100) % 2, "binary")
    assert "HashingVectorizer" in caught.value.advice
    compile(caught.value.advice.partition("python -c '")[2].removesuffix("'"), "advice", "exec")


@pytest.mark.parametrize(
    ("column", "advice"),
    [
        (texts([f"name {number}" for number in range(100)]), "merge"),
        (texts(["no", "yes"] * 50), "only a lookup"),
        (texts([""] * 100), "more than one value"),
    ],
)
def test_advice_without_usable_columns_depends_on_what_they_were(column: np.ndarray, advice: str) -> None:
    """H114 says how to get columns that help."""
    with pytest.raises(DatasetError, match="H114") as caught:
        learn_encoding(table(c=column), np.arange(100) % 2, "binary")
    assert advice in caught.value.advice


def test_a_single_row_for_training_is_told() -> None:
    """Each column has one value, but to add columns would not help."""
    with pytest.raises(DatasetError, match="H114") as caught:
        learn_encoding(table(c=np.array([1.5])), np.array([0.5]), "regression")
    assert caught.value.advice.startswith("add rows")


def test_ids_are_dropped() -> None:
    """Unique text, and whole numbers called an id or a row number, only identify a row, in any order."""
    order = np.random.default_rng(1).permutation(100)
    refused("D203", "100 different texts", c=texts([f"name {number}" for number in range(100)]))
    refused("D203", "19 different texts", c=texts([f"name {number}" for number in range(19)]))
    spread = np.random.default_rng(1).permutation(90_000)[:100]
    names = ["id", "ID", "PassengerId", "user_id", "Unnamed: 0", "index", "Row ID", "Serial No.", "sno", "S.No", "SNo"]
    for name in [*names, "sample_no", "#", "record number", "번호", "순번", "고객번호"]:
        refused("D203", "from 7 to 700", **{name: texts((order + 1) * 7)})
        refused("D203", "100 different whole numbers", **{name: spread + 0.0})
    copied = np.concatenate([spread, spread[:4]]) + 0.0
    refused("D203", "100 different whole numbers in 104 rows", customer_id=copied)  # four rows were copied with their id


def rows_kept(share: float, of: int = 1000) -> Array:
    """Row numbers of a file, some of which were taken out at random."""
    return np.flatnonzero(np.random.default_rng(4).random(of) < share) + 1.0


@pytest.mark.parametrize(
    "cells",
    [
        np.arange(1.0, 101),
        np.arange(300.0, 0, -1),
        np.arange(12.0) * 10,
        rows_kept(0.4),
        rows_kept(0.4)[::-1] + 5000,
        7 * rows_kept(0.2),
        texts(np.random.default_rng(1).permutation(100)),
        np.concatenate([rows_kept(0.4)[:200], rows_kept(0.4)[190:200]]),
    ],
    ids=["counted", "downwards", "in tens", "rows taken out", "both", "in sevens", "shuffled", "copies"],
)
def test_row_counters_are_dropped_under_any_name(cells: Array) -> None:
    """Whole numbers in step with the rows, or close together without repeats, are dropped and reported."""
    refused("D216", "different whole numbers in", whatever=cells, labels=np.sort(LABELS[: len(cells)]))


def test_row_counters_in_a_subset_of_rows() -> None:
    """Numbers that rise from row to row are dropped if rows are sorted by class; otherwise they may be measurements."""
    cells = np.sort(np.random.default_rng(4).permutation(90_000)[:60]) + 0.0
    refused("D216", "sorted by class", whatever=cells, labels=np.repeat([0, 1, 2], 20))
    assert list(learn(whatever=cells, labels=np.arange(60) % 3)[0]) == ["whatever"]


@pytest.mark.parametrize("name", ["t", "x", "year", "time_s", "Dose (mg)", "연도"])
def test_measurements_that_rise_with_the_rows_are_kept(name: str) -> None:
    """A column named like a moment or a measurement is used and reported; an id of one is not."""
    specs, notes = learn(**{name: np.arange(1920.0, 2020)})
    assert list(specs) == [name]
    assert [note.code for note in notes] == ["D217"]
    refused("D203", "100 different whole numbers", **{f"{name}_id": np.arange(1920.0, 2020)})


def test_large_whole_numbers_that_float32_merges_are_reported() -> None:
    """Ids are recognised by all their digits; a used column whose numbers become equal in float32 is reported."""
    order = np.random.default_rng(1).permutation(100)
    refused("D203", "from 1000000000 to 1000000297", customer_id=1e9 + 3 * order)
    moments = 202401310000.0 + 1000 * order**2  # float32 is 2^14 apart there
    other = moments + order % 2
    specs, notes = learn(moment=moments, other=other, exact=2.0**24 - order**2)
    assert list(specs) == ["moment", "other", "exact"]  # the second does not repeat the first
    told = f"100 different whole numbers become {len(set(np.float32(moments).tolist()))}"
    assert notes == [Note("D208", f"moment: {told}"), Note("D208", f"other: {told}")]
    refused("D202", "the same value in float32, 1e+09, in 100 of 100", c=1e9 + np.arange(100) % 3)


def test_numbers_that_are_not_ids_are_kept() -> None:
    """Whole measurements, sorted or not, real numbers, and names that only end like an id stay without a report."""
    random = np.random.default_rng(2)
    specs, notes = learn(
        sorted=np.sort(random.permutation(9000)[:100]) + 0.0,
        price=random.permutation(9000)[:100] + 0.0,
        ratio=np.arange(100) + 0.5,
        humid=random.permutation(9000)[:100] + 1.0,
        paid=random.permutation(9000)[:100] + 2.0,
    )
    assert (len(specs), notes) == (5, [])


def test_the_only_column_may_count_rows() -> None:
    """If there is no other column, the target depends on a column that counts upwards."""
    encoding, notes = learn_encoding(table(x=np.arange(100.0)), np.sin(np.arange(100.0))[:, None], "regression")
    assert (len(encoding["columns"]), notes) == (1, [])


def test_duplicate_columns_are_dropped() -> None:
    """A column with the cells of an earlier one is dropped; the same values in other rows are not a duplicate."""
    grade = np.random.default_rng(2).integers(1, 4, 100)
    specs, notes = learn(grade=texts(grade), again=texts(grade), other=texts(grade[::-1]))
    assert list(specs) == ["grade", "other"]
    assert [(note.code, note.measured) for note in notes] == [("D204", "again: duplicates grade in all 100 rows")]


def test_recoded_column_is_a_duplicate() -> None:
    """A column that renames the values of another one to one repeats it, including missing cells."""
    grade = np.random.default_rng(2).integers(0, 4, 100)
    columns = {
        "grade": np.where(grade == 0, np.nan, grade),
        "name": np.array(["", "First", "Second", "Third"], object)[grade],
    }
    specs, notes = learn(**columns)
    assert list(specs) == ["grade"]
    assert notes == [Note("D204", "name: duplicates grade in all 100 rows")]


def test_continuous_columns_are_not_recodings() -> None:
    """Two columns of unique cells always correspond one to one, which means nothing."""
    random = np.random.default_rng(2)
    assert len(learn(a=random.normal(size=100), b=random.normal(size=100))[0]) == 2


@pytest.mark.parametrize("make", [texts, np.asarray])
def test_column_that_determines_the_class_is_dropped(make: Any) -> None:
    """A column whose every value has one class is dropped, whether text or number."""
    labels = np.arange(100) % 3
    disguise = make(np.where(np.arange(100) % 2, labels, labels + 3) * 10.0)
    refused("D205", "each of its 6 values has one class in all 100 rows", labels=labels, c=disguise)


def test_column_that_nearly_determines_the_class_is_kept() -> None:
    """A single exception, or too few rows per value, is enough to keep it."""
    labels = np.arange(100) % 2
    cells = texts(labels)
    cells[0] = "1"
    assert list(learn(labels=labels, c=cells)[0]) == ["c"]
    assert list(learn(labels=labels[:8], c=texts(labels[:8]))[0]) == ["c"]


def test_column_that_determines_a_label_or_value_is_dropped() -> None:
    """By correlation with a value, or by having one value or label per level."""
    random = np.random.default_rng(2)
    labels = np.stack([random.integers(0, 2, 100), np.arange(100) % 2], axis=1)
    refused("D205", "one class", labels=labels, task="multilabel", c=texts(labels[:, 1]))
    refused("D205", "one class", labels=labels, task="multilabel", c=texts(2 * labels[:, 0] + labels[:, 1]))
    levels = np.arange(100) % 4
    refused("D205", "one target", labels=levels[:, None] * 1.5, task="regression", c=texts([f"town {k}" for k in levels]))
    both = np.stack([levels * 1.5, random.normal(size=100)], axis=1)
    refused("D205", "one target", labels=both, task="regression", c=texts([f"town {k}" for k in levels]))
    values = random.normal(size=(100, 2))
    refused("D205", "correlation -1.000000", labels=values, task="regression", c=7 - 3 * values[:, 1])
    noisy = values[:, 1] + random.normal(size=100) / 50
    assert list(learn(labels=values, task="regression", c=noisy)[0]) == ["c"]


def test_learn_encoding_without_usable_columns_is_an_error() -> None:
    """The error says what became of each column."""
    with pytest.raises(DatasetError, match="H114: no column is left") as caught:
        learn_encoding(table(a=texts(["x"] * 9), id=np.arange(9.0)), np.arange(9) % 2, "binary")
    assert "D202 a: the same value, x" in caught.value.received
    assert "D203 id: 9 different whole numbers" in caught.value.received
    with pytest.raises(DatasetError, match="no columns besides the target"):
        learn_encoding(Table((), ()), np.zeros(0, int), "binary")


CELLS = st.sampled_from(["", "?", "1", "2", "3.5", "-1e30", "inf", "a", "b", "ß", "2024-01-31", "1/2/2024", "1e-40", "x y"])


@pytest.mark.filterwarnings("ignore:.*treated as missing:UserWarning")
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, st.integers(0, 2)), min_size=1, max_size=60))
def test_learn_encoding_of_any_table(rows: list[tuple[str, str, str, int]]) -> None:
    """Any table gives an encoding with finite rows, or an error with the reason; always the same."""
    *columns, labels = zip(*rows, strict=True)
    given_table = table(**{name: texts(cells) for name, cells in zip("abc", columns, strict=True)})
    try:
        encoding, notes = learn_encoding(given_table, np.array(labels), "multiclass")
    except DatasetError:
        return
    assert (encoding, notes) == learn_encoding(given_table, np.array(labels), "multiclass")
    encoded = encode(dict(zip("abc", columns, strict=True)), json.loads(json.dumps(encoding, allow_nan=False)))
    assert encoded.shape == (len(rows), encoding["width"])
    assert np.isfinite(encoded).all()


def test_columns_that_a_model_lacks_are_named_with_those_of_a_similar_name() -> None:
    """H115 says which to rename; a column that the model reads under its own name is not one of them."""
    encoding = {"columns": [{"name": "Umsatz"}, {"name": "Stadt"}, {"name": "Stadt 2"}]}
    names = ("umsatz", "Stadt", "c")
    with pytest.raises(DatasetError, match="H115") as caught:
        cells_to_read(Table(names, tuple(np.zeros(1) for _ in names)), encoding)
    assert caught.value.advice.startswith("name the columns as they were named for fit: rename umsatz to Umsatz; ")
    with pytest.raises(DatasetError, match="H115") as caught:
        cells_to_read(Table(("c",), (np.zeros(1),)), encoding)
    assert caught.value.advice.startswith("name the columns as they were named for fit; ")
