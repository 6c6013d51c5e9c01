"""Part A: one column of a table: what it is, and how its cells become numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from headstart.encoding import as_days, as_text, to_single, transformed
from headstart.number_formats import LearnedNumbers, format_of_numbers, learn_numbers
from headstart.scaling import skewness

__all__ = ["Column", "Note", "read_column"]

Array = np.ndarray[Any, Any]

_OF_ONE_KIND = 0.95  # share of a text column's cells that make numbers or dates of it
_MOST_MARKERS, _LEAST_BESIDE_MARKERS, _LEAST_VALUES = 3, 0.5, 20  # or this share, if the rest is a few words
_MOST_ONE_HOT, _MOST_CODES = 32, 10_000
_RARE_SHARE, _RARE_ROWS = 0.002, 2  # a level below either is one of the others
_FLAG_SHARE, _FLAG_ROWS = 0.01, 2  # missing cells from which on a column says which they are
_MOST_SKEW = 1.0
_LEAST_SCALE_OF_LOG = 1e-3  # below it all values are so small that the logarithm changes nothing
_LEAST_FOR_QUANTILES, _MOST_KNOTS, _MOST_SCORE = 10, 32, 2.5


class Note(NamedTuple):
    """What is odd about a column: the code of a finding, whose meaning ``doctor.table`` tells, and what was counted."""

    code: str
    measured: str


@dataclass(frozen=True)
class Column:
    """One column of training rows.

    Attributes:
        name: Its name.
        kind: ``number``, ``date`` or ``category``.
        cells: Text, "" for missing; numbers and days in float64, NaN for missing: graphs take them in float32.
        day_first: Of a date, whether 1/2/2024 is in February.
        doubt: Of a date, why it may also be the other way round.
        numbers: Of numbers that were text, how they were written.
    """

    name: str
    kind: str
    cells: Array
    day_first: bool = True
    doubt: str = ""
    numbers: LearnedNumbers | None = None

    @cached_property
    def missing(self) -> Array:
        """Where there is no value."""
        missing: Array = self.cells == "" if self.kind == "category" else np.isnan(self.cells)
        return missing

    @cached_property
    def present(self) -> Array:
        """The values that are there."""
        return self.cells[~self.missing]

    @cached_property
    def rounded(self) -> Array:
        """The same as graphs read them: numbers and days rounded to float32."""
        return self.present if self.kind == "category" else to_single(self.present).astype(np.float64)

    @cached_property
    def distinct(self) -> Array:
        """Different values that are there."""
        return np.unique(self.present)

    @cached_property
    def groups(self) -> Array:
        """For each row the number of its value, in the order in which they appear; missing is a value too."""
        _, first, inverse = np.unique(self.cells, return_index=True, return_inverse=True)
        places: Array = np.argsort(np.argsort(first))[inverse]
        return places

    @property
    def num_groups(self) -> int:
        """Different values, missing among them."""
        return len(self.distinct) + bool(self.missing.any())

    @cached_property
    def levels(self) -> dict[str, int]:
        """Text that occurs, with its rows: the most frequent first, then in the order of the alphabet."""
        texts, counts = np.unique(self.cells, return_counts=True)
        order = sorted(zip(texts.tolist(), counts.tolist(), strict=True), key=lambda level: (-level[1], level[0]))
        return dict(order)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """How its cells become numbers."""
        return {"name": self.name, "kind": self.kind} | _LEARN[self.kind](self)


def read_column(name: str, cells: Array, decimal: str = "", separator: str = "") -> Column:
    """The column as what it is.

    Args:
        name: Its name.
        decimal: Decimal sign of the table. Defaults to "": not known.
        separator: What separates the cells of its file. Defaults to "": not known.
        cells: Training rows as ``cells.Table`` holds them: float64, datetime64 or text. Text is taken for numbers, or for
            dates, where 95 of 100 cells that are there can be read so; or half of them, if these have more than 20 different
            values, and the others are no more than three different words, which say that there is none.
    """
    if cells.dtype.kind == "M":
        return Column(name, "date", as_days(cells))
    if cells.dtype.kind == "f":
        return Column(name, "number", _finite(cells))
    texts = as_text(cells)
    numbers = learn_numbers(texts, decimal, separator)
    are_numbers = _are_of_one_kind(numbers.distinct, numbers.counts)
    if are_numbers and not numbers.written["unit"]:
        return Column(name, "number", _finite(numbers.values), numbers=numbers)
    distinct, places, counts = np.unique(texts, return_inverse=True, return_counts=True)  # slow, and so is to read dates
    counts = np.where(distinct == "", 0, counts)
    ways = {day_first: as_days(distinct, day_first) for day_first in (True, False)}
    num_read = {day_first: counts[~np.isnan(days)].sum() for day_first, days in ways.items()}
    if not any(_are_of_one_kind(days, counts) for days in ways.values()):
        if are_numbers:
            return Column(name, "number", _finite(numbers.values), numbers=numbers)
        return Column(name, "category", texts)
    day_first, doubt = bool(num_read[True] > num_read[False]), ""
    if num_read[True] == num_read[False]:
        day_first, doubt = _likelier_order(distinct, ways)
    return Column(name, "date", ways[day_first][places], day_first, doubt)


def _are_of_one_kind(read: Array, counts: Array) -> bool:
    """Whether different texts are numbers, or dates, but for a few errors or words for a missing value.

    Args:
        read: What each text is read as, NaN where it is no such thing.
        counts: The cells of each; none of a blank.
    """
    is_read, num_cells = ~np.isnan(read), max(counts.sum(), 1)
    share = counts[is_read].sum() / num_cells
    num_markers = ((counts > 0) & ~is_read).sum()
    is_marked = num_markers <= _MOST_MARKERS and is_read.sum() > _LEAST_VALUES
    return bool(share >= _OF_ONE_KIND or (share >= _LEAST_BESIDE_MARKERS and is_marked))


def _finite(values: Array) -> Array:
    """Numbers in float64, NaN for those that float32 cannot hold."""
    return np.where(np.isnan(to_single(values)), np.nan, values)


def _likelier_order(texts: Array, ways: dict[bool, Array]) -> tuple[bool, str]:
    """Of dates of which either order reads as many: whether the day comes first, and those that may be others, if any.

    Where no day is above the 12th, dates tend to be those of fixed days, as the first of each month is: the order is taken
    that has fewer different days of the month. Dates with points have the day first.
    """
    both = np.flatnonzero(np.abs(ways[True] - ways[False]) > 0)
    if not len(both) or all(re.match(r"\d+\.", text) for text in texts[both]):
        return True, ""
    days_of_month = {day_first: len(np.unique(_day_of_month(days[both]))) for day_first, days in ways.items()}
    day_first = days_of_month[True] <= days_of_month[False]
    taken, other = (_iso(ways[order][both[0]]) for order in (day_first, not day_first))
    first = "day" if day_first else "month"
    doubt = f"{len(both)} of {len(texts)} different texts, {first} first: {texts[both[0]]} is {taken}, and not {other}"
    return day_first, doubt


def _day_of_month(days: Array) -> Array:
    dates = np.floor(days).astype("datetime64[D]")
    days_before: Array = dates - dates.astype("datetime64[M]")
    return days_before


def _iso(day: float) -> str:
    return str(np.datetime64(int(day // 1), "D"))


def _learn_number(column: Column) -> dict[str, Any]:
    values = column.rounded
    transform = _transform(values) if len(values) else {"transform": "none"}
    written = format_of_numbers(column.present) if column.numbers is None else column.numbers.written
    span = [float(values.min()), float(values.max())] if len(values) else [0.0, 0.0]
    return (
        _learn_missing(column)
        | transform
        | _learn_scale(transformed(values, transform))
        | {"range": span, "written": written}
    )


def _learn_date(column: Column) -> dict[str, Any]:
    return _learn_missing(column) | {"day_first": column.day_first} | _learn_scale(column.rounded)


def _learn_missing(column: Column) -> dict[str, Any]:
    least = max(_FLAG_ROWS, _FLAG_SHARE * len(column.cells))
    fill = float(np.median(column.rounded)) if len(column.rounded) else 0.0
    return {"fill": fill, "flag": bool(column.missing.sum() >= least)}


def _learn_scale(values: Array) -> dict[str, Any]:
    if not len(values):
        return {"offset": 0.0, "scale": 1.0}
    if values.min() == values.max():  # the mean of equal numbers may be a hair beside them
        return {"offset": float(values[0]), "scale": 1.0}
    return {"offset": float(values.mean()), "scale": float(values.std()) or 1.0}


def _transform(values: Array) -> dict[str, Any]:
    """The mildest transform that leaves the values without a long tail."""
    if abs(skewness(values)) <= _MOST_SKEW:
        return {"transform": "none"}
    logarithms = transformed(values, {"transform": "log"})
    if abs(skewness(logarithms)) < _MOST_SKEW and logarithms.std() >= _LEAST_SCALE_OF_LOG:
        return {"transform": "log"}
    if len(distinct := np.unique(values)) < _LEAST_FOR_QUANTILES:
        return {"transform": "none"}
    knots = np.quantile(distinct, np.linspace(0, 1, min(_MOST_KNOTS, len(distinct))), method="nearest")
    ordered = np.sort(values)
    ranks = (np.searchsorted(ordered, knots, "left") + np.searchsorted(ordered, knots, "right")) / (2 * len(values))
    scores = [min(max(NormalDist().inv_cdf(rank), -_MOST_SCORE), _MOST_SCORE) for rank in ranks.tolist()]
    return {"transform": "quantile", "knots": knots.tolist(), "values": scores}


def _learn_category(column: Column) -> dict[str, Any]:
    num_rows, levels = len(column.cells), column.levels
    frequent = [level for level, count in levels.items() if count >= 2]
    if len(frequent) > _MOST_ONE_HOT:
        return {"levels": frequent[:_MOST_ONE_HOT], "two_way": False, "codes": frequent[:_MOST_CODES]}
    least = max(_RARE_ROWS, _RARE_SHARE * num_rows)
    common = [level for level, count in levels.items() if count >= least]
    is_two_way = len(common) == len(levels) == 2 and "" not in levels
    return {"levels": sorted(common) if is_two_way else common, "two_way": is_two_way}


_LEARN: dict[str, Callable[[Column], dict[str, Any]]] = {
    "number": _learn_number,
    "date": _learn_date,
    "category": _learn_category,
}
