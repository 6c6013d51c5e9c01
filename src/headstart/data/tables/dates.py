"""Detection of date and time formats, learned from the cells of a column."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from headstart.data.tables.preprocess import as_days
from headstart.foundation.arrays import Array

__all__ = [
    "DAY",
    "PLAIN",
    "WEEK",
    "YEAR",
    "LearnedDates",
    "are_dates",
    "learn_compact_dates",
    "learn_dates",
    "look_like_dates",
    "periods_of",
]

YEAR, WEEK, DAY = 365.2425, 7.0, 1.0  # days
PLAIN: dict[str, Any] = {"holds": "date", "order": "", "digits": False}  # for unambiguous dates
_READINGS = (
    *(PLAIN | {"order": order} for order in ("", "DMY", "MDY", "YMD")),
    *(PLAIN | {"holds": "season", "order": order} for order in ("", "DM", "MD")),
    PLAIN | {"holds": "time"},
)
_COMPACT_READINGS = tuple(PLAIN | {"order": order, "digits": True} for order in ("YMD", "DMY", "MDY"))
_MIN_SEASON, _MIN_YEAR = 10, 10  # different texts that are required, and the smallest number that may be a year
_MIN_COMPACT = {6: 12, 8: 5, 12: 5, 14: 5}  # different numbers required, by number of digits: fewer may be a coincidence
_MIN_COMPACT_SHARE = 0.99  # share of cells that must be dates
_NUM_SAMPLES, _MIN_SAMPLE_SHARE = 1000, 0.25  # texts that are tested first, and the share that must fit
_MIN_IN_ORDER = 8  # different dates from which on rising or falling order is not a coincidence
_MAX_SPAN = 0.5  # of the time span that results if the year comes last
_LOOKS = (
    re.compile(r"(?<![\d.])(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2}))(?![\d.])"),
    re.compile(r"(?<![\d.-])(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?!\d)"),  # 31.01.
    re.compile(r"(?<![\w-])(?:(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])|(?:[0-2]\d|3[01])-(?:0[1-9]|1[0-2]))(?![\w-])"),  # 07-22
    re.compile(r"(?<!\d)\d{1,2}[:h]\d\d(?!\w)"),  # 14:30, 14h30
    re.compile(r"(?<!\d)\d{1,2}\W*[^\W\d]{3,}\W+(?:19|20)\d\d(?!\d)"),  # 5. März 2021
    re.compile(
        r"\d[년年]|(?<![^\W_])(?:19|20)\d\d\W?(?:[wq]|kw|\d{3}(?!\d))|(?<![^\W_])[wq]\d{1,2}\W*(?:19|20)\d\d(?!\d)",
        re.IGNORECASE,
    ),
)
_DATE_NAME = re.compile(
    r"(?:.*[\W_])?(?:date|time|datetime|timestamp|moment)(?:[\W_].*)?|.*(?:날짜|일자|일시|시각|시간)", re.IGNORECASE
)
_MIN_NAMED = 20  # different texts required if only the column's name suggests dates


class LearnedDates(NamedTuple):
    """Date format learned from a column.

    Attributes:
        reading: How cells are read, in the form that ``preprocess.as_days`` takes.
        days: Days of the texts, NaN for texts that do not fit.
        doubt: Message about another possible reading, or "".
    """

    reading: dict[str, Any]
    days: Array
    doubt: str


def learn_dates(texts: Array, counts: Array, places: Array) -> LearnedDates | None:
    """Learn how the dates or times of a column are written.

    The reading that fits the most cells is chosen. Among equal ones, the only reading whose dates rise or fall from row to
    row is chosen. Otherwise the choice is doubtful: the year is first if the dates then span less than half the time; else
    the reading with the fewest different days of the month is chosen, and the day is first if there is still a tie.

    Args:
        texts: Different texts of the column, ``(k,)``.
        counts: Number of cells with each text, ``(k,)``; 0 for a missing value.
        places: Index of each row's text, in the order of the file, ``(n,)``.

    Returns:
        The chosen reading; None if no reading fits a quarter of the texts.
    """
    given = texts[counts > 0]
    sample = given[:: max(1, len(given) // _NUM_SAMPLES)]
    least = max(1, _MIN_SAMPLE_SHARE * len(sample))
    found = _best([reading for reading in _READINGS if _num_read(sample, reading) >= least], texts, counts, places)
    return None if found is None else found._replace(doubt=found.doubt or _doubtful_season(found, texts))


def learn_compact_dates(texts: Array, counts: Array, places: Array) -> LearnedDates | None:
    """Learn whether digits such as 20210301 or 20210301123000 are dates.

    They are dates if they all have the same length, nearly all cells are dates of the years 1900 to 2100, and there are
    enough different ones to exclude a coincidence.

    Args:
        texts: Different texts of the column, ``(k,)``.
        counts: Number of cells with each text, ``(k,)``; 0 for a missing value.
        places: Index of each row's text, in the order of the file, ``(n,)``.

    Returns:
        The reading; None if the numbers are not dates.
    """
    given = texts[counts > 0]
    lengths = {len(text) for text in given.tolist()}
    if len(lengths) != 1 or len(given) < _MIN_COMPACT.get(min(lengths), len(given) + 1):
        return None
    found = _best(_COMPACT_READINGS, texts, counts, places)
    if found is None or counts[np.isfinite(found.days)].sum() < _MIN_COMPACT_SHARE * counts.sum():
        return None
    return found


def periods_of(reading: dict[str, Any], days: Array) -> list[float]:
    """Periods in days (year, week, day) that are encoded for the dates of a column.

    Args:
        reading: How the cells are read.
        days: Days of the column, NaN for missing ones.
    """
    if reading["holds"] != "date":
        return [DAY if reading["holds"] == "time" else YEAR]
    days = days[np.isfinite(days)]
    dates = np.floor(days).astype(np.int64).astype("datetime64[D]")
    periods = [YEAR]
    if (dates != dates.astype("datetime64[M]")).any():  # monthly dates carry no weekday
        periods.append(WEEK)
    if len(np.unique(days % 1)) > 1:
        periods.append(DAY)
    return periods


def are_dates(cells: Array, share: float) -> bool:
    """Whether more than a given share of text cells are dates or times."""
    texts, places, counts = np.unique(cells, return_inverse=True, return_counts=True)
    found = learn_dates(texts, counts, places)
    return found is not None and bool(counts[np.isfinite(found.days)].sum() > share * len(cells))


def look_like_dates(name: str, texts: Array) -> str:
    """Return an example if most texts look like dates or times, or if the column's name suggests them; else "".

    Args:
        name: Name of the column.
        texts: Different texts of the column.
    """
    given: list[str] = [text for text in texts.tolist() if any(map(str.isdigit, text))]
    looks = [text for text in given if any(form.search(text) for form in _LOOKS)]
    if 2 * len(looks) > len(texts):
        return looks[0]
    is_named = _DATE_NAME.fullmatch(name) is not None and len(texts) >= _MIN_NAMED
    return given[0] if is_named and 2 * len(given) > len(texts) else ""


def _doubtful_season(found: LearnedDates, texts: Array) -> str:
    """Message if dates without a year may be months with a two-digit year, because all days are 10 or later; else ""."""
    is_read = np.isfinite(found.days)
    if found.reading["holds"] != "season" or is_read.sum() < _MIN_SEASON:
        return ""
    dates = np.floor(found.days[is_read]).astype(np.int64).astype("datetime64[D]")
    if (dates - dates.astype("datetime64[M]")).astype(np.int64).min() < _MIN_YEAR - 1:
        return ""
    return (
        f"{is_read.sum()} of {len(texts)} different texts are read as days without a year, such as {texts[is_read][0]} as "
        f"{str(dates[0])[5:]}; if they contain a year, write it with four digits"
    )


def _num_read(texts: Array, reading: dict[str, Any]) -> int:
    return int(np.isfinite(as_days(texts, reading)).sum())


def _best(readings: Any, texts: Array, counts: Array, places: Array) -> LearnedDates | None:
    """Choose among the readings that fit the most cells."""
    found: list[LearnedDates] = []
    num_read: list[int] = []
    for reading in readings:
        found.append(LearnedDates(reading, as_days(texts, reading), ""))
        num_read.append(int(counts[np.isfinite(found[-1].days)].sum()))
        if not reading["order"] and num_read[-1] == counts.sum():  # unambiguous, so that the other readings agree
            return found[-1]
    if not max(num_read, default=0):
        return None
    best: list[LearnedDates] = []
    for one, number in zip(found, num_read, strict=True):
        if number == max(num_read) and not any(np.array_equal(one.days, other.days, equal_nan=True) for other in best):
            best.append(one)
    if len(best) == 1:
        return best[0]
    in_order = [one for one in best if _are_in_order(one.days[places])]
    return in_order[0] if len(in_order) == 1 else _likeliest(in_order or best, texts)


def _are_in_order(days: Array) -> bool:
    steps = np.diff(days[np.isfinite(days)])
    return bool(((steps >= 0).all() or (steps <= 0).all()) and (steps != 0).sum() >= _MIN_IN_ORDER)


def _likeliest(found: list[LearnedDates], texts: Array) -> LearnedDates:
    """Choose among equally good readings, and describe the doubt."""
    spans = {one.reading["order"]: float(np.nanmax(one.days) - np.nanmin(one.days)) for one in found}
    year_first = [one for one in found if one.reading["order"] == "YMD"]
    year_last = [one for one in found if one not in year_first]
    if year_first and year_last:
        others = min(spans[one.reading["order"]] for one in year_last)
        found = year_first if spans["YMD"] < _MAX_SPAN * others else year_last
    chosen = min(found, key=lambda one: _num_days_of_month(one.days))
    other = next(one for one in [*year_last, *year_first] if one is not chosen)
    both = np.flatnonzero(np.abs(chosen.days - other.days) > 0)
    if not len(both):  # no text has two readings
        return chosen
    first = {"D": "day", "M": "month", "Y": "year"}[chosen.reading["order"][0]]
    taken, instead = (_iso(one.days[both[0]]) for one in (chosen, other))
    doubt = f"{len(both)} of {len(texts)} different texts, {first} first: {texts[both[0]]} is read as {taken}, not {instead}"
    return chosen._replace(doubt=doubt)


def _num_days_of_month(days: Array) -> int:
    dates = np.floor(days[np.isfinite(days)]).astype(np.int64).astype("datetime64[D]")
    return len(np.unique(dates - dates.astype("datetime64[M]")))


def _iso(day: float) -> str:
    return str(np.datetime64(int(day // 1), "D"))
