"""Decide what kind of column a table's column is, and learn how its cells become numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from headstart.data.tables.dates import PLAIN, learn_compact_dates, learn_dates, periods_of
from headstart.data.tables.number_formats import LearnedNumbers, format_of_numbers, learn_numbers
from headstart.data.tables.preprocess import as_days, as_text, to_single, transformed
from headstart.data.target_scaling import skewness
from headstart.foundation.arrays import Array

__all__ = ["Column", "Note", "read_column"]

_OF_ONE_KIND = 0.95  # share of cells that must be numbers or dates for a text column to be one of these
_MAX_MARKERS, _MIN_BESIDE_MARKERS, _MIN_VALUES = 3, 0.5, 20  # or this share, if the rest is a few words for "missing"
_MIN_COMPACT_DATE = 190_001  # January 1900
_MAX_ONE_HOT, _MAX_CODES = 32, 10_000
_RARE_SHARE, _RARE_ROWS = 0.002, 2  # levels with a lower share or fewer rows are merged into "other"
_FLAG_SHARE, _FLAG_ROWS = 0.01, 2  # missing cells from which a column gets a flag for missing values
_MAX_SKEW = 1.0
_MIN_SCALE_OF_LOG = 1e-3  # below it, values are so small that the logarithm has no effect
_MIN_FOR_QUANTILES, _MAX_KNOTS, _MAX_SCORE = 10, 32, 2.5


class Note(NamedTuple):
    """An observation about a column: the code of a finding (see ``doctor.column_checks``), and what was counted."""

    code: str
    measured: str


@dataclass(frozen=True)
class Column:
    """One column of the training rows.

    Attributes:
        name: Name of the column.
        kind: ``number``, ``date`` or ``category``.
        cells: Text, with "" for missing; or numbers or days in float64, with NaN for missing. Graphs take float32.
        reading: For dates, how cells are read (see ``preprocess.as_days``). Defaults to ``{}``.
        doubt: For dates, why the cells could also be read in another way. Defaults to ``""``.
        numbers: For numbers given as text, how they were written. Defaults to None.
    """

    name: str
    kind: str
    cells: Array
    reading: dict[str, Any] = field(default_factory=dict)
    doubt: str = ""
    numbers: LearnedNumbers | None = None

    @cached_property
    def missing(self) -> Array:
        """Mask of missing cells."""
        missing: Array = self.cells == "" if self.kind == "category" else np.isnan(self.cells)
        return missing

    @cached_property
    def present(self) -> Array:
        """Values of the cells that are not missing."""
        return self.cells[~self.missing]

    @cached_property
    def rounded(self) -> Array:
        """Values that are not missing, as graphs read them: numbers rounded to float32."""
        return to_single(self.present).astype(np.float64) if self.kind == "number" else self.present

    @cached_property
    def distinct(self) -> Array:
        """Distinct values, without missing."""
        return np.unique(self.present)

    @cached_property
    def groups(self) -> Array:
        """Number of each row's value, in order of first appearance; missing counts as a value."""
        _, first, inverse = np.unique(self.cells, return_index=True, return_inverse=True)
        places: Array = np.argsort(np.argsort(first))[inverse]
        return places

    @property
    def num_groups(self) -> int:
        """Number of distinct values, counting missing as one."""
        return len(self.distinct) + bool(self.missing.any())

    @cached_property
    def levels(self) -> dict[str, int]:
        """Number of rows of each text, most frequent first, then alphabetically."""
        texts, counts = np.unique(self.cells, return_counts=True)
        order = sorted(zip(texts.tolist(), counts.tolist(), strict=True), key=lambda level: (-level[1], level[0]))
        return dict(order)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """Specification of how the cells become numbers, as part of the encoding."""
        return {"name": self.name, "kind": self.kind} | _LEARN[self.kind](self)


def read_column(name: str, cells: Array, decimal: str = "", separator: str = "") -> Column:
    """Decide whether a column contains numbers, dates or categories, and read its cells.

    Text is read as numbers, or as dates, if at least 95% of the cells that are not missing can be read that way; or at least
    half of them, if these have more than 20 distinct values and the others at most three, which are then words for a missing
    value. Whole numbers that are dates without separators are read as dates.

    Args:
        name: Name of the column.
        cells: Training rows in the order of the file, as ``Table`` stores them: float64, datetime64 or text.
        decimal: Decimal sign of the table. Defaults to ``""``: unknown.
        separator: Character that separates the cells of its file. Defaults to ``""``: unknown.
    """
    if cells.dtype.kind == "M":
        return Column(name, "date", as_days(cells, PLAIN), PLAIN)
    if cells.dtype.kind == "f":
        finite = _finite(cells)
        return _compact_dates(name, as_text(cells), finite) or Column(name, "number", finite)
    texts = as_text(cells)
    numbers = learn_numbers(texts, decimal, separator)
    are_numbers = _are_of_one_kind(numbers.distinct, numbers.counts)
    if are_numbers and not numbers.written["unit"]:
        dates = _compact_dates(name, texts, numbers.values)
        return dates or Column(name, "number", _finite(numbers.values), numbers=numbers)
    distinct, places, counts = _counted(texts)
    dates_read = learn_dates(distinct, counts, places)  # dates are slow to read, so plain numbers are tried first
    if dates_read is None or not _are_of_one_kind(dates_read.days, counts):
        if are_numbers:
            return Column(name, "number", _finite(numbers.values), numbers=numbers)
        return Column(name, "category", texts)
    return Column(name, "date", dates_read.days[places], dates_read.reading, dates_read.doubt)


def _compact_dates(name: str, texts: Array, numbers: Array) -> Column | None:
    """Return the column as dates if its whole numbers are dates such as 20210301, otherwise None."""
    present = numbers[~np.isnan(numbers)]
    if not len(present) or present.min() < _MIN_COMPACT_DATE or np.isinf(present).any() or (present % 1 != 0).any():
        return None
    distinct, places, counts = _counted(texts)
    dates = learn_compact_dates(distinct, counts, places)
    return None if dates is None else Column(name, "date", dates.days[places], dates.reading, dates.doubt)


def _counted(texts: Array) -> tuple[Array, Array, Array]:
    """Return the distinct texts, the position of each row's text among them, and the number of cells of each (0 for "")."""
    distinct, places, counts = np.unique(texts, return_inverse=True, return_counts=True)
    return distinct, places, np.where(distinct == "", 0, counts)


def _are_of_one_kind(read: Array, counts: Array) -> bool:
    """Whether texts are numbers, or dates, except for a few errors or words for a missing value.

    Args:
        read: Value of each distinct text, NaN if it cannot be read.
        counts: Number of cells of each distinct text; 0 for a blank.
    """
    is_read, num_cells = ~np.isnan(read), max(counts.sum(), 1)
    share = counts[is_read].sum() / num_cells
    num_markers = ((counts > 0) & ~is_read).sum()
    is_marked = num_markers <= _MAX_MARKERS and is_read.sum() > _MIN_VALUES
    return bool(share >= _OF_ONE_KIND or (share >= _MIN_BESIDE_MARKERS and is_marked))


def _finite(values: Array) -> Array:
    """Numbers in float64, with NaN for numbers that are not finite in float32."""
    return np.where(np.isnan(to_single(values)), np.nan, values)


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
    how = column.reading | {"periods": periods_of(column.reading, column.present)}
    return _learn_missing(column) | how | _learn_scale(column.present)


def _learn_missing(column: Column) -> dict[str, Any]:
    least = max(_FLAG_ROWS, _FLAG_SHARE * len(column.cells))
    fill = float(np.median(column.rounded)) if len(column.rounded) else 0.0
    return {"fill": fill, "flag": bool(column.missing.sum() >= least)}


def _learn_scale(values: Array) -> dict[str, Any]:
    if not len(values):
        return {"offset": 0.0, "scale": 1.0}
    if values.min() == values.max():  # the mean of equal numbers may differ from them by rounding
        return {"offset": float(values[0]), "scale": 1.0}
    return {"offset": float(values.mean()), "scale": float(values.std()) or 1.0}


def _transform(values: Array) -> dict[str, Any]:
    """Choose the mildest transform that removes a long tail: none, log or quantile."""
    if abs(skewness(values)) <= _MAX_SKEW:
        return {"transform": "none"}
    logarithms = transformed(values, {"transform": "log"})
    if abs(skewness(logarithms)) < _MAX_SKEW and logarithms.std() >= _MIN_SCALE_OF_LOG:
        return {"transform": "log"}
    if len(distinct := np.unique(values)) < _MIN_FOR_QUANTILES:
        return {"transform": "none"}
    knots = np.quantile(distinct, np.linspace(0, 1, min(_MAX_KNOTS, len(distinct))), method="nearest")
    ordered = np.sort(values)
    ranks = (np.searchsorted(ordered, knots, "left") + np.searchsorted(ordered, knots, "right")) / (2 * len(values))
    scores = [min(max(NormalDist().inv_cdf(rank), -_MAX_SCORE), _MAX_SCORE) for rank in ranks.tolist()]
    return {"transform": "quantile", "knots": knots.tolist(), "values": scores}


def _learn_category(column: Column) -> dict[str, Any]:
    num_rows, levels = len(column.cells), column.levels
    frequent = [level for level, count in levels.items() if count >= 2]
    if len(frequent) > _MAX_ONE_HOT:
        return {"levels": frequent[:_MAX_ONE_HOT], "two_way": False, "codes": frequent[:_MAX_CODES]}
    least = max(_RARE_ROWS, _RARE_SHARE * num_rows)
    common = [level for level, count in levels.items() if count >= least]
    is_two_way = len(common) == len(levels) == 2 and "" not in levels
    return {"levels": sorted(common) if is_two_way else common, "two_way": is_two_way}


_LEARN: dict[str, Callable[[Column], dict[str, Any]]] = {
    "number": _learn_number,
    "date": _learn_date,
    "category": _learn_category,
}
