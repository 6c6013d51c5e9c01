"""Data: what raw cells say: nothing at all, a number or a date."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import numpy as np

__all__ = ["MISSING", "dates", "is_day_first", "is_missing", "numbers"]

Array = np.ndarray[Any, Any]

MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "-", ".")
_NUMBER = re.compile(r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf(?:inity)?)\s*", re.ASCII | re.IGNORECASE)
_DATE = re.compile(
    r"\s*(?:(?P<year>\d{4})[-/](?P<month>\d\d?)[-/](?P<day>\d\d?)"
    r"|(?P<first>\d\d?)(?P<mark>[-/.])(?P<second>\d\d?)(?P=mark)(?P<last>\d{4}|\d\d))"
    r"(?:[T ]\s*(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<seconds>\d\d)(?:\.\d+)?)?"
    r"\s*(?:Z|(?P<sign>[-+])(?P<off_hours>\d\d):?(?P<off_minutes>\d\d))?)?\s*",
    re.ASCII,
)


def is_missing(cells: Array) -> Array:
    """Which cells say nothing: NaN, NaT, blank, or a marker such as ``?`` or ``n/a``.

    Example:
        >>> is_missing(np.array(["5", " ?", "NaN", "0"], object)).tolist()
        [False, True, True, False]
    """
    if cells.dtype.kind in "fM":
        return np.isnan(cells) if cells.dtype.kind == "f" else np.isnat(cells)
    return np.fromiter((cell.strip().lower() in MISSING for cell in cells), bool, len(cells))


def numbers(cells: Array) -> Array:
    """Cells as float64: NaN where a cell is missing or no number; of dates, the days since 1970-01-01.

    Example:
        >>> numbers(np.array(["1e3", " 5 ", "1_000", "", "-inf"], object))
        array([1000.,    5.,   nan,   nan,  -inf])
    """
    if cells.dtype.kind == "f":
        return cells.astype(np.float64)
    if cells.dtype.kind == "M":
        days: Array = (cells - np.datetime64(0, "s")) / np.timedelta64(1, "D")
        return days
    is_number = _NUMBER.fullmatch
    return np.fromiter((float(cell) if is_number(cell) else np.nan for cell in cells), np.float64, len(cells))


def dates(cells: Array, *, day_first: bool | None = None) -> Array:
    """Cells as datetime64[s] in UTC: ISO 8601, or d/m/y or m/d/y with slashes, dots or hyphens; NaT where a cell is neither.

    Args:
        cells: One column.
        day_first: Whether 1/2/2020 is in February; told from the column if None.

    Example:
        >>> dates(np.array(["2020-02-01", "soon"], object)).astype("datetime64[D]")
        array(['2020-02-01',        'NaT'], dtype='datetime64[D]')
    """
    if cells.dtype.kind == "M":
        return cells.astype("datetime64[s]")
    found = np.full(len(cells), "NaT", "datetime64[s]")
    if cells.dtype.kind == "f":
        return found
    day_first = is_day_first(cells) if day_first is None else day_first
    for place, cell in enumerate(cells):
        if match := _DATE.fullmatch(cell):
            found[place] = _moment(match.groupdict(), day_first)
    return found


def is_day_first(cells: Array) -> bool:
    """Whether dates such as 1/2/2020 have the day first: they do, unless more cells can only have the month first."""
    if cells.dtype.kind in "fM":
        return True
    pairs = [(int(m["first"]), int(m["second"])) for cell in cells if (m := _DATE.fullmatch(cell)) and m["first"]]
    return sum(first > 12 for first, _ in pairs) >= sum(second > 12 for _, second in pairs)


def _moment(parts: dict[str, str | None], day_first: bool) -> datetime | None:
    first, second, last = (int(parts[name] or 0) for name in ("first", "second", "last"))
    if parts["last"]:
        day, month = (first, second) if day_first else (second, first)
        year = last if len(parts["last"]) == 4 else last + (1900 if last > 68 else 2000)  # as POSIX has it
    else:
        year, month, day = (int(parts[name] or 0) for name in ("year", "month", "day"))
    hour, minute, seconds = (int(parts[name] or 0) for name in ("hour", "minute", "seconds"))
    offset = timedelta(hours=int(parts["off_hours"] or 0), minutes=int(parts["off_minutes"] or 0))
    try:
        moment = datetime(year, month, day, hour, minute, seconds)
        return moment + offset if parts["sign"] == "-" else moment - offset
    except (ValueError, OverflowError):  # the 31st of February, or before the year 1
        return None
