"""Data: how the numbers of a table are written: decimal sign, thousands separators and units, learned from its cells."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from headstart.encoding import MISSING, PLAIN, Reading, as_numbers, read_number

__all__ = [
    "NUMBER_LIKE",
    "LearnedNumbers",
    "are_numbers",
    "decimal_of",
    "format_of_numbers",
    "is_amount",
    "learn_numbers",
    "with_other_sign",
]

Array = np.ndarray[Any, Any]

_SIGNS = {".": "points", ",": "commas"}
_NUMERIC = 0.95  # share of the cells with a value that are numbers, in a column that tells the decimal sign of its table
_MAX_SHOWN = 40  # characters of a cell
NUMBER_LIKE = re.compile(r"\s*[-+]?(?:\d[\d.,'\u2019\u00a0\u2009\u202f]*|[.,]\d+)(?:[eE][-+]?\d+)?\s*", re.ASCII)
_COMMA_OR_TWO_POINTS = re.compile(r"(?m)^[^\d\n]{0,6}\d[^\n]*,\d|^[^\d\n]{0,6}\d{1,3}\.\d{3}\.\d{3}")
_POINT = re.compile(  # that can be nothing but a decimal point
    r"(?m)^[^\d\n.,]{0,6}(?:(?:(?:0|\d{4,})?\.\d+|\d+\.(?:\d\d?|\d{4,}))(?:[eE][-+]?\d+)?|\d+\.\d+[eE][-+]?\d+)[^\d\n.,]*$"
)


class LearnedNumbers(NamedTuple):
    """A column of text as numbers.

    Attributes:
        values: ``(n,)`` float64, NaN for what is missing or no number with the unit.
        written: How the numbers are written, as ``encoding`` describes it.
        distinct: The values of the different texts, NaN likewise.
        counts: The cells of each of these texts, float64; 0 for a missing one.
        only: Cells that can be read with one decimal sign alone, by this sign.
        mixed: What to report if both decimal signs occur; else "".
        doubt: What to report if nothing tells the decimal sign; else "".
        bare: What to report of cells without the unit; else "".
    """

    values: Array
    written: dict[str, Any]
    distinct: Array
    counts: Array
    only: Mapping[str, int]
    mixed: str = ""
    doubt: str = ""
    bare: str = ""


def learn_numbers(texts: Array, decimal: str = "", separator: str = "") -> LearnedNumbers:
    """Read text as numbers, and learn how they are written.

    The decimal sign is the one that most cells have that can be read in one way only; without such cells it is that of the
    table; if that is not known, it is a comma between semicolons, else a point. The unit is the most frequent one.

    Args:
        texts: Stripped cells, "" for missing.
        decimal: Decimal sign of the table. Defaults to "": not known.
        separator: What separates the cells of its file. Defaults to "": not known.

    Example:
        >>> learned = learn_numbers(np.array(["1.234,5 kg", "850 kg", "1.100 kg"]))
        >>> learned.values.tolist(), learned.written
        ([1234.5, 850.0, 1100.0], {'decimal': ',', 'thousands': '.', 'whole': False, 'unit': 'kg'})
    """
    cells = texts.tolist()
    counts = Counter(cells)
    counts[""] = 0
    plain = dict(zip(counts, as_numbers(list(counts)).tolist(), strict=True))
    is_whole = not any("." in text for text in plain)
    has_points = any(map(_POINT.fullmatch, plain))
    if (has_points or is_whole) and not any(text and math.isnan(value) for text, value in plain.items()):
        written = PLAIN | {"whole": is_whole, "decimal": (is_whole and decimal) or "."}
        only = {".": 1} if has_points else {}
        return LearnedNumbers(_values(cells, plain), written, _array(plain.values()), _array(counts.values()), only)
    found = {text: readings for text, value in plain.items() if (readings := _readings(text, value))}
    only = _only(found, counts)
    usual = decimal or ("," if separator == ";" else ".")
    sign = max(_SIGNS, key=lambda each: (only.get(each, 0), each == usual))
    learned = _learned(cells, counts, found, sign)
    return learned._replace(only=only, mixed=_mixed(found, only, sign), doubt="" if only or decimal else _doubt(found, sign))


def _learned(
    cells: list[str], counts: Counter[str], found: Mapping[str, Mapping[str, Reading]], sign: str
) -> LearnedNumbers:
    """A column whose numbers have this decimal sign, but for those that can only be read with the other one."""
    chosen = {text: readings.get(sign) or next(iter(readings.values())) for text, readings in found.items()}
    units = Counter[str]()
    for text, reading in chosen.items():
        units[reading.unit] += counts[text]
    unit = max(units, key=lambda each: (units[each], each), default="")
    fitting = {text: reading for text, reading in chosen.items() if reading.unit in ("", unit)}
    value_of = {text: fitting[text].value if text in fitting else math.nan for text in counts}
    written = {
        "decimal": sign,
        "thousands": "".join(sorted({reading.thousands for reading in fitting.values()})),
        "whole": not any(reading.has_decimals for reading in fitting.values()),
        "unit": unit,
    }
    bare = f"{units['']} of {units.total()} cells have no unit and are read as {unit}" if unit and units[""] else ""
    values = _values(cells, value_of)
    return LearnedNumbers(values, written, _array(value_of.values()), _array(counts.values()), {}, bare=bare)


def _only(found: Mapping[str, Mapping[str, Reading]], counts: Counter[str]) -> dict[str, int]:
    """Cells that can be read with one decimal sign alone, by this sign."""
    only = Counter[str]()
    for text, readings in found.items():
        if len(readings) == 1:
            only[next(iter(readings))] += counts[text]
    return dict(only)


def _readings(text: str, plain: float) -> dict[str, Reading]:
    """A text as a number with each decimal sign; one that has neither point nor comma is the same with both."""
    if not math.isnan(plain) and "." not in text:
        return dict.fromkeys(_SIGNS, Reading(plain))
    return {sign: reading for sign in _SIGNS if (reading := read_number(text, sign))}


def _values(cells: list[str], value_of: Mapping[str, float]) -> Array:
    return np.fromiter(map(value_of.__getitem__, cells), np.float64, len(cells))


def _array(values: Iterable[float]) -> Array:
    return np.array(list(values), np.float64)


def _mixed(found: Mapping[str, Mapping[str, Reading]], only: Mapping[str, int], sign: str) -> str:
    if len(only) < 2:
        return ""
    other = next(each for each in only if each != sign)
    example = next(text for text, readings in found.items() if other in readings and len(readings) == 1)
    return f"{only[sign]} cells have decimal {_SIGNS[sign]}, {only[other]} decimal {_SIGNS[other]} ({example[:_MAX_SHOWN]})"


def _doubt(found: Mapping[str, Mapping[str, Reading]], sign: str) -> str:
    """What to report of numbers which nothing in the table tells how to read."""
    doubtful = {text: each for text, each in found.items() if len(each) == 2 and each["."].value != each[","].value}
    if not doubtful:
        return ""
    text, readings = next(iter(doubtful.items()))
    other = next(each for each in _SIGNS if each != sign)
    return f"{text[:_MAX_SHOWN]} is read as {readings[sign].value:.10g}, and not as {readings[other].value:.10g}"


def format_of_numbers(values: Array) -> dict[str, Any]:
    """How numbers are written that were no text: plainly, as whole numbers where all are."""
    finite = values[np.isfinite(values)]
    return PLAIN | {"whole": bool((finite == np.rint(finite)).all())}


def are_numbers(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers without units, however they are written."""
    unread = (text for text, value in zip(texts, as_numbers(texts).tolist(), strict=True) if math.isnan(value))
    return all(any((reading := read_number(text, sign)) and not reading.unit for sign in _SIGNS) for text in unread)


def is_amount(text: str) -> bool:
    """Whether a text is a number with a unit beside it."""
    readings = [read_number(text, sign) for sign in _SIGNS]
    return any(reading is not None and reading.unit for reading in readings)


def decimal_of(columns: Sequence[Sequence[str]]) -> str:
    """The decimal sign of a table: that of most of its columns of numbers which can be read in one way only.

    Args:
        columns: Cells of the columns of text.

    Returns:
        ``.`` or ``,``; "" if no cell tells, or as many columns have the one as the other.

    Example:
        >>> decimal_of([["1,5", "1,200"], ["a,b", "c,d"]]), decimal_of([["1,200", "3,100"]])
        (',', '')
    """
    joined = ["\n".join(column) for column in columns]
    suspects = [bool(_COMMA_OR_TWO_POINTS.search(text)) for text in joined]
    if not any(suspects):
        return "." if any(map(_POINT.search, joined)) else ""
    votes = Counter[str]()
    for column, text, suspect in zip(columns, joined, suspects, strict=True):
        if suspect or _POINT.search(text):
            learned = learn_numbers(np.array(["" if cell.lower() in MISSING else cell for cell in column] or [""], object))
            if _is_numeric(learned):
                votes.update(sorted(learned.only, key=lambda sign: -learned.only[sign])[:1])
    return "" if votes["."] == votes[","] else max(votes, key=lambda sign: votes[sign])


def with_other_sign(cells: Array, decimal: str) -> Array:
    """Cells of text whose numbers have decimal commas for points, and points for commas.

    Args:
        cells: The cells; others than text stay as they are.
        decimal: The decimal sign that they have.
    """
    if cells.dtype.kind != "O":
        return cells
    swapped = str.maketrans(".,", ",.")
    return np.array([cell.translate(swapped) if read_number(cell, decimal) else cell for cell in cells] + [""], object)[:-1]


def _is_numeric(learned: LearnedNumbers) -> bool:
    num_numbers = learned.counts[~np.isnan(learned.distinct)].sum()
    return bool(num_numbers >= max(1, _NUMERIC * learned.counts.sum()))
