"""Detection of number formats (decimal sign, thousands separators, units), learned from the cells of a table."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from headstart.data.tables.preprocess import (
    MISSING,
    PLAIN,
    THOUSANDS,
    Reading,
    as_numbers,
    plain_numbers,
    read_number,
    readings_of,
    signs_of,
    uniform_numbers,
)
from headstart.foundation.arrays import Array

__all__ = [
    "NUMBER_LIKE",
    "LearnedNumbers",
    "are_numbers",
    "decimal_of",
    "decimal_sign",
    "format_of_numbers",
    "is_amount",
    "is_number",
    "learn_numbers",
    "usual_sign",
    "with_other_sign",
]

_MIN_NUMBERS = 0.1  # share of numbers among the most frequent texts below which a column is text
_SIGNS = {".": "points", ",": "commas"}
_NUMERIC = 0.95  # share of present cells that must be numbers in a column from which the decimal sign is learned
_MAX_SHOWN = 40  # characters of a cell
NUMBER_LIKE = re.compile(r"\s*[-+]?(?:\d[\d.,'\u2019\u00a0\u2009\u202f]*|[.,]\d+)(?:[eE][-+]?\d+)?\s*", re.ASCII)
_NUM_TRIED = 1000  # cells that are tested for being numbers


class LearnedNumbers(NamedTuple):
    """A text column as numbers.

    Attributes:
        values: Numbers, float64 ``(n,)``; NaN for cells that are missing or are not numbers with the unit.
        written: Number format, as ``data.tables.preprocess`` describes it.
        distinct: Values of the different texts, or of all cells if they are plain numbers; NaN as in ``values``.
        counts: Number of cells of each value in ``distinct``, float64; 0 for missing ones.
        mixed: Message if both decimal signs occur. Defaults to "".
        doubt: Message if the decimal sign is ambiguous. Defaults to "".
        bare: Message if some cells lack the unit. Defaults to "".
    """

    values: Array
    written: dict[str, Any]
    distinct: Array
    counts: Array
    mixed: str = ""
    doubt: str = ""
    bare: str = ""


def learn_numbers(texts: Array, decimal: str = "", separator: str = "") -> LearnedNumbers:
    """Read text as numbers, and learn how they are written.

    The decimal sign is that of most cells that can be read in only one way. Without such cells it is that of the table; if
    this is not known, it is a comma in a file separated by semicolons, else a point. The unit is the most frequent one.

    Args:
        texts: Stripped cells, "" for missing ones.
        decimal: Decimal sign of the table. Defaults to "": not known.
        separator: Cell separator of the file. Defaults to "": not known.

    Example:
        >>> learned = learn_numbers(np.array(["1.234,5 kg", "850 kg", "1.100 kg"]))
        >>> learned.values.tolist(), learned.written
        ([1234.5, 850.0, 1100.0], {'decimal': ',', 'thousands': '.', 'whole': False, 'unit': 'kg'})
    """
    cells = texts.tolist()
    lines = "\n".join(cells)
    signs, has_points = signs_of(lines), "." in lines
    if (signs == ["."] or not has_points) and (values := plain_numbers(cells)) is not None:
        is_whole = not has_points and bool((values[np.isfinite(values)] % 1 == 0).all())
        written = PLAIN | {"whole": is_whole, "decimal": (decimal if not has_points else "") or "."}
        return LearnedNumbers(values, written, values, (texts != "").astype(np.float64))
    counts = Counter(cells)
    counts[""] = 0
    if _are_words(counts):
        nothing = np.full(len(counts), math.nan)
        return LearnedNumbers(np.full(len(cells), math.nan), PLAIN, nothing, _array(counts.values()))
    usual = decimal or ("," if separator == ";" else ".")
    if len(signs) < 2:
        return _learned(cells, counts, signs[0] if signs else usual, is_sure=bool(signs or decimal))
    found = {text: readings for text in counts if (readings := readings_of(text))}
    only = Counter[str]()
    for text, readings in found.items():
        if len(readings) == 1:
            only[next(iter(readings))] += counts[text]
    sign = max(_SIGNS, key=lambda each: (only[each], each == usual))
    return _learned(cells, counts, sign, is_sure=True)._replace(mixed=_mixed(found, only, sign))


def _are_words(counts: Counter[str]) -> bool:
    """Whether hardly any of the most frequent texts are numbers, so that the others need not be tested."""
    tried = counts.most_common(_NUM_TRIED)
    num_numbers = sum(count for text, count in tried if readings_of(text))
    return num_numbers < _MIN_NUMBERS * sum(count for _, count in tried)


def _learned(cells: list[str], counts: Counter[str], sign: str, *, is_sure: bool) -> LearnedNumbers:
    """Read a column with a decimal sign; numbers that can only be read with the other sign are read with that."""
    usual_unit, lines, value_of = uniform_numbers(list(counts), sign)
    rest = [text for text in counts if text not in value_of]
    others = {text: found.get(sign) or next(iter(found.values())) for text in rest if (found := readings_of(text))}
    for text, value in zip(rest, as_numbers(rest).tolist(), strict=True):
        if text not in others and not math.isnan(value):  # infinite
            others[text] = Reading(value)
    units = Counter({usual_unit: sum(map(counts.__getitem__, value_of))})
    for text, reading in others.items():
        units[reading.unit] += counts[text]
    unit = max(units, key=lambda each: (units[each], each))
    doubt = "" if is_sure else _doubt([*value_of, *others], sign)
    if usual_unit not in ("", unit):
        value_of, lines = {}, ""
    fitting = {text: reading for text, reading in others.items() if reading.unit in ("", unit)}
    value_of = dict.fromkeys(counts, math.nan) | value_of | {text: reading.value for text, reading in fitting.items()}
    marks = {mark for mark in THOUSANDS[sign] if mark in lines} | {reading.thousands for reading in fitting.values()}
    written = {
        "decimal": sign,
        "thousands": "".join(sorted(marks)),
        "whole": sign not in lines and not any(reading.has_decimals for reading in fitting.values()),
        "unit": unit,
    }
    bare = f"{units['']} of {units.total()} cells have no unit and are read as {unit}" if unit and units[""] else ""
    values = _values(cells, value_of)
    return LearnedNumbers(values, written, _array(value_of.values()), _array(counts.values()), doubt=doubt, bare=bare)


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


def _doubt(texts: Iterable[str], sign: str) -> str:
    """Message about numbers whose decimal sign is ambiguous, or ""."""
    for text in texts:
        found = readings_of(text)
        if len(found) == 2 and found["."].value != found[","].value:
            other = next(each for each in _SIGNS if each != sign)
            return f"{text[:_MAX_SHOWN]} is read as {found[sign].value:.10g}, not as {found[other].value:.10g}"
    return ""


def format_of_numbers(values: Array) -> dict[str, Any]:
    """Number format of values that were not read from text: plain, and whole if all values are."""
    finite = values[np.isfinite(values)]
    return PLAIN | {"whole": bool((finite == np.rint(finite)).all())}


def are_numbers(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers without units, in any format."""
    unread = (text for text, value in zip(texts, as_numbers(texts).tolist(), strict=True) if math.isnan(value))
    return all((found := readings_of(text)) and not any(reading.unit for reading in found.values()) for text in unread)


def is_number(text: str) -> bool:
    """Whether a text looks like a number without a unit."""
    return bool(NUMBER_LIKE.fullmatch(text)) or any(not reading.unit for reading in readings_of(text).values())


def is_amount(text: str) -> bool:
    """Whether a text is a number with a unit."""
    return any(reading.unit for reading in readings_of(text).values())


def decimal_of(columns: Iterable[Sequence[str]]) -> str:
    """Decimal sign of a table: that of most of its numeric columns which can be read in only one way.

    Args:
        columns: Cells of the text columns.

    Returns:
        ``.`` or ``,``; "" if no column decides, or if equally many columns have each sign.

    Example:
        >>> decimal_of([["1,5", "1,200"], ["a,b", "c,d"]]), decimal_of([["1,200", "3,100"]])
        (',', '')
    """
    return usual_sign(decimal_sign(partial("\n".join, column), partial(_sampled, column)) for column in columns)


def _sampled(column: Sequence[str], number: int) -> Sequence[str]:
    return column[:: 1 + len(column) // number]


def decimal_sign(lines: Callable[[], str], sampled: Callable[[int], Sequence[str]]) -> str:
    """Decimal sign of a column; "" unless it is numeric and can be read in only one way.

    Args:
        lines: Function that returns the cells of the column, joined by line breaks.
        sampled: Function that returns about so many cells, spread over the column.
    """
    if not _is_numeric(sampled(_NUM_TRIED)):
        return ""
    signs = signs_of(lines())
    return signs[0] if len(signs) == 1 else ""


def usual_sign(signs: Iterable[str]) -> str:
    """Most frequent decimal sign of some columns, each ``.``, ``,`` or ""; "" if both are equally frequent."""
    votes = Counter(signs)
    return "" if votes["."] == votes[","] else max(".,", key=lambda sign: votes[sign])


def with_other_sign(cells: Array, decimal: str) -> Array:
    """Swap decimal points and commas in the numbers of a text column.

    Args:
        cells: Cells of the column; columns that are not text are returned unchanged.
        decimal: Current decimal sign.
    """
    if cells.dtype.kind != "O":
        return cells
    swapped = str.maketrans(".,", ",.")
    return np.array([cell.translate(swapped) if read_number(cell, decimal) else cell for cell in cells] + [""], object)[:-1]


def _is_numeric(cells: Sequence[str]) -> bool:
    present = [cell for cell in cells if cell.lower() not in MISSING]
    if present and plain_numbers(present) is not None:
        return True
    return sum(map(bool, map(readings_of, present))) >= max(1, _NUMERIC * len(present))
