"""Encoding of the raw cells of a table as rows of numbers, with NumPy and the standard library only.

This file imports nothing from Headstart, because a copy of it is shipped as ``preprocess.py`` next to every exported model
of a table. ``typed(columns, encoding)`` returns the inputs of an exported graph, and ``encode(columns, encoding)`` the rows
that the graph computes from them. In exports, the same encoding consists of ONNX nodes or TensorFlow operations. All three
implementations compute in float64 and round once, at the end. A ``UserWarning`` reports cells that are not empty but are
treated as missing. The encoding is a JSON object::

    {"format": 1, "width": W, "num_dense": D, "separator": S, "columns": [one spec per column]}

    number    name, fill, flag, transform ("none", "log" or "quantile" with knots and values), offset, scale, range, written
              -> the standardised value; if flag is true, also 1 for a missing cell and 0 for others
    date      name, fill, flag, holds, order, digits (how cells are written: ``as_days``), periods (in days), offset, scale
              -> standardised days; for each period the position in it, its sine and its cosine; the flag
    category  name, levels, two_way
              -> one-hot columns of the levels, and a last column for all other cells; two_way: one column, 0.5 for others
              codes, if there are many levels -> also, at position D or later, 1 + index in codes; 0 for all others

``separator`` is the cell separator of the training file, empty if there was none. ``range`` is the smallest and largest
training value of a number column. ``written`` is the number format of its training cells: the decimal sign, the thousands
separators that occurred, whether all numbers were whole, and the unit. New text is read by this format.
"""

from __future__ import annotations

import datetime
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "CLIP",
    "DAY_FIRST",
    "MISSING",
    "PLAIN",
    "THOUSANDS",
    "Reading",
    "as_days",
    "as_numbers",
    "as_text",
    "code_sizes",
    "dense_width",
    "encode",
    "encode_typed",
    "is_missing",
    "lookup",
    "odd_cells",
    "phase",
    "plain_numbers",
    "read_cells",
    "read_number",
    "read_numbers",
    "readings_of",
    "segments",
    "signs_of",
    "to_single",
    "transformed",
    "typed",
    "uniform_numbers",
]

Array = np.ndarray[Any, Any]
Spec = Mapping[str, Any]

MISSING = frozenset(("", "?", "-", ".", "na", "n/a", "nan", "null", "none"))  # lower case
CLIP = 8.0  # standard deviations
DAY_FIRST: Spec = {"holds": "date", "order": "DMY", "digits": False}  # default reading of dates

_BOOLEANS = {"true": "True", "false": "False"}  # R, Excel and databases spell them differently
_LONGEST = 128  # characters of a category, because a text array reserves the length of the longest cell for each cell
_MAX_SHOWN, _WIDEST_SHOWN = 3, 40  # examples in a warning, and characters of each
_EPOCH = datetime.datetime(1970, 1, 1)


def typed(
    columns: Mapping[str, Any], encoding: Mapping[str, Any], separator: str = "", decimal: str = ""
) -> dict[str, Array]:
    """Convert raw cells to the inputs of an exported graph; columns that are not in the encoding are ignored.

    Text is read by the number format of the training data. A ``UserWarning`` reports cells that contradict this format,
    cells that are not empty but are treated as missing, and columns most of whose values are outside the training range.

    Args:
        columns: Raw cells (text, numbers, dates or None) by column name, all of the same length ``n``.
        encoding: The learned encoding, as in ``signature.json``.
        separator: Cell separator of the file that the cells come from. Defaults to "": not known.
        decimal: Decimal sign of that file, "." or ",". Defaults to "": detected from these columns.

    Returns:
        Arrays ``(n,)`` by column name: numbers as float32 and days since 1970-01-01 as float64, with NaN for missing values;
        or text, with "" for missing values.

    Raises:
        ValueError: A column is missing, or columns have different lengths.

    Example:
        >>> spec = {"name": "age", "kind": "number", "fill": 30.0, "flag": True, "range": [20.0, 50.0]}
        >>> spec |= {"transform": "none", "offset": 30.0, "scale": 5.0, "written": PLAIN | {"unit": "year"}}
        >>> encoding = {"format": 1, "width": 2, "num_dense": 2, "separator": ",", "columns": [spec]}
        >>> encode({"age": ["25 years", "?", 40]}, encoding).tolist()
        [[-1.0, 0.0], [0.0, 1.0], [2.0, 0.0]]
    """
    cells, odd = read_cells(columns, encoding, separator, decimal)
    _warn(odd)
    return cells


def encode(columns: Mapping[str, Any], encoding: Mapping[str, Any], separator: str = "", decimal: str = "") -> Array:
    """Encode raw cells as rows of numbers, float32 ``(n, width)``: the dense columns of all specs, then the codes.

    Arguments and warnings are those of ``typed``. To encode the result of ``typed``, use ``encode_typed``.

    Raises:
        ValueError: A column is missing, or columns have different lengths.
    """
    cells, odd = read_cells(columns, encoding, separator, decimal)
    _warn(odd)
    return encode_typed(cells, encoding)


def encode_typed(cells: Mapping[str, Array], encoding: Mapping[str, Any]) -> Array:
    """Encode the result of ``typed`` as rows of numbers, float32 ``(n, width)``, without warnings."""
    rows = np.empty((len(next(iter(cells.values()), ())), encoding["width"]), np.float32)
    place, code_place = 0, encoding["num_dense"]
    for spec in encoding["columns"]:
        values, width = cells[spec["name"]], dense_width(spec)
        rows[:, place : place + width] = _BLOCKS[spec["kind"]](values, spec)
        place += width
        if "codes" in spec:
            rows[:, code_place] = lookup(values, spec["codes"], range(1, len(spec["codes"]) + 1), 0)
            code_place += 1
    return rows


def read_cells(
    columns: Mapping[str, Any], encoding: Mapping[str, Any], separator: str = "", decimal: str = ""
) -> tuple[dict[str, Array], list[str]]:
    """Convert raw cells as ``typed`` does, but return its warnings as text.

    Raises:
        ValueError: A column is missing, or columns have different lengths.
    """
    specs, cells = encoding["columns"], {}
    for spec in specs:
        if spec["name"] not in columns:
            raise ValueError(f"no column {spec['name']!r}: the columns are {', '.join(map(repr, columns)) or 'none'}")
        cells[spec["name"]] = _cells(columns[spec["name"]])
    if len(lengths := {len(column) for column in cells.values()}) > 1:
        raise ValueError(f"columns of different lengths: {', '.join(map(str, sorted(lengths)))}")
    written = {spec["name"]: spec["written"] for spec in specs if spec["kind"] == "number"}
    is_other_file = bool(separator and encoding["separator"]) and separator != encoding["separator"]
    numbers = read_numbers({name: cells[name] for name in written}, written, decimal, is_other_file)
    found: dict[str, Array] = {}
    odd: list[str] = []
    for spec in specs:
        name, unit = spec["name"], ""
        if name in numbers:
            found[name], unit = to_single(numbers[name].values), written[name]["unit"]
            odd += [*numbers[name].told, *filter(None, [_outside(found[name], spec)])]
        else:
            found[name] = _TYPES[spec["kind"]](cells[name], spec)
        odd += filter(None, odd_cells(name, cells[name], found[name], spec["kind"], unit))
    return found, odd


def odd_cells(name: str, cells: Any, read: Array, kind: str, unit: str = "") -> tuple[str, str]:
    """Messages about cells that are not empty but are treated as missing, or "".

    Args:
        name: Name of the column.
        cells: Raw cells.
        read: The cells as numbers or days, NaN for missing ones; or as text, which is never reported.
        kind: Kind of the column: ``number``, ``date`` or ``category``.
        unit: Unit of its numbers. Defaults to "".

    Returns:
        A message about cells that are not numbers or dates, and one about infinite cells.

    Example:
        >>> odd_cells("age", ["25", "?", "old", "inf"], np.array([25, np.nan, np.nan, np.nan]), "number")[0]
        'age: 1 of 4 cells is not a number and is treated as missing ("old")'
    """
    if kind == "category":
        return "", ""
    unread = _cells(cells)[np.isnan(read)]
    odd = unread[~is_missing(unread)]
    is_infinite = np.abs(as_numbers(odd)) > np.finfo(np.float32).max
    in_unit = unit and f" in {unit}"
    unreadable, infinite = odd[~is_infinite], odd[is_infinite]
    return (
        _treated_as_missing(name, unreadable, len(read), f"not a {kind}{in_unit}", f"not {kind}s{in_unit}"),
        _treated_as_missing(name, infinite, len(read), "infinite", "infinite"),
    )


def _treated_as_missing(name: str, cells: Array, num_cells: int, one: str, several: str) -> str:
    if not len(cells):
        return ""
    fault = f"is {one} and is" if len(cells) == 1 else f"are {several} and are"
    return f"{_in_line(name)}: {len(cells)} of {num_cells} cells {fault} treated as missing ({_examples(cells)})"


def code_sizes(encoding: Mapping[str, Any]) -> list[int]:
    """Number of different codes in each code column, including 0 for unseen cells: the size of its Embedding layer."""
    return [len(spec["codes"]) + 1 for spec in encoding["columns"] if "codes" in spec]


def dense_width(spec: Spec) -> int:
    """Number of dense columns that a spec produces."""
    if spec["kind"] == "category":
        return 1 if spec["two_way"] else len(spec["levels"]) + 1
    return 1 + (3 * len(spec["periods"]) if spec["kind"] == "date" else 0) + int(spec["flag"])


def as_numbers(cells: Any) -> Array:
    """Convert cells to float64: NaN for cells that are missing or are not plain numbers; dates become days since 1970-01-01.

    Args:
        cells: Numbers, dates, or text with decimal points and without other separators; infinities are kept.

    Example:
        >>> as_numbers(["1e3", " 5 ", "1_000", "", "-inf"])
        array([1000.,    5.,   nan,   nan,  -inf])
    """
    values = _cells(cells)
    if values.dtype.kind == "M":
        return as_days(values)
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    texts = values.tolist()
    if (plain := plain_numbers(texts)) is not None:
        return plain
    if (known := _of_different(texts, _number)) is not None:
        return np.fromiter(map(known.__getitem__, texts), np.float64, len(texts))
    return np.array([_number(cell) for cell in texts], np.float64)


def plain_numbers(texts: Sequence[Any]) -> Array | None:
    """Convert text to float64 quickly, with NaN for blanks; None unless all texts are plain numbers or blank.

    Example:
        >>> plain_numbers(["1e3", "", "-.5"]).tolist(), plain_numbers(["1,5"])
        ([1000.0, nan, -0.5], None)
    """
    try:
        joined = "\n".join(texts)
        if joined.isascii() and "_" not in joined:  # Python accepts "_" in numbers, other tools do not
            return np.fromiter((float(text or "nan") for text in texts), np.float64, len(texts))
    except (TypeError, ValueError):  # not text, or not a number
        return None
    return None


def as_days(cells: Any, reading: Spec = DAY_FIRST) -> Array:
    """Convert cells to float64 days since 1970-01-01, in UTC if they have a time zone; NaN for cells that do not fit.

    Args:
        cells: Text, date objects, or days.
        reading: How text is read, as it was learned from a training column. Defaults to ``DAY_FIRST``.

            - ``holds``: ``date`` (at least year and month), ``season`` (month and day), or ``time`` (of day, 0 to 1).
            - ``order``: the order of day, month and year in ambiguous cells such as 1/2/2024 or 21.03.05: ``DMY``, ``MDY``
              or ``YMD``; ``MD`` or ``DM`` without a year; ``""`` if ambiguous cells do not fit.
            - ``digits``: whether digits alone are dates: YYYYMM, YYYYMMDD, YYYYMMDDhhmm or YYYYMMDDhhmmss. Eight digits
              are read in ``order``.

    Example:
        >>> as_days(["1970-01-02", "3 January 1970", "Jan 4, 1970 6:00 PM", "1970년 1월 6일", "soon"])
        array([1.  , 2.  , 3.75, 5.  ,  nan])
    """
    values = _cells(cells)
    if values.dtype.kind == "M":
        moments = values.astype("datetime64[s]")
        fits, seconds = ~np.isnat(moments) & (reading["holds"] == "date"), moments.astype(np.int64)
        return np.where(fits, seconds // 86400 + seconds % 86400 / 86400, np.nan)  # bit-identical to the result for text
    if values.dtype.kind in "fiu":
        numbers = values.astype(np.float64)
        is_compact = (numbers >= _MIN_COMPACT) & reading["digits"]
        numbers[~(np.abs(numbers) < _MAX_DAYS) & ~is_compact] = np.nan
        numbers[is_compact] = _read_moments([_text(number) for number in numbers[is_compact].tolist()], reading)
        return numbers
    given = [_moment_text(cell, reading) for cell in values.tolist()]
    distinct = list(dict.fromkeys(cell for cell in given if isinstance(cell, str)))
    days = dict(zip(distinct, _read_moments(distinct, reading).tolist(), strict=True))
    return np.array([days[cell] if isinstance(cell, str) else cell for cell in given], np.float64)


def is_missing(cells: Any) -> Array:
    """Which cells are missing: NaN, NaT, blank, or a marker such as ``?`` or ``n/a``.

    Example:
        >>> is_missing(np.array(["5", " ?", "NaN", "0"], object)).tolist()
        [False, True, True, False]
    """
    values = _cells(cells)
    if values.dtype.kind in "fM":
        return np.isnan(values) if values.dtype.kind == "f" else np.isnat(values)
    texts = values.tolist()
    if (known := _of_different(texts, lambda cell: not _text(cell))) is not None:
        return np.fromiter(map(known.__getitem__, texts), bool, len(texts))
    return np.fromiter((not _text(cell) for cell in texts), bool, len(texts))


def _of_different(texts: list[Any], function: Callable[[Any], Any]) -> dict[str, Any] | None:
    """Results of a function for the different texts of a column, computed once each; None if some cells are not text."""
    different: set[Any] = set(texts) if texts and isinstance(texts[0], str) else {None}
    return {text: function(text) for text in different} if all(isinstance(text, str) for text in different) else None


def as_text(cells: Any) -> Array:
    """Convert cells to stripped text of at most 128 characters, with "" for missing ones.

    Whole numbers have no decimal point, and true and false in any spelling become ``True`` and ``False``.
    """
    return np.array([_text(cell) for cell in _cells(cells)], np.str_)


def to_single(values: Array) -> Array:
    """Convert values to float32: NaN for infinite or too large values, 0 for subnormal ones."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = values.astype(np.float32)
    single[~np.isfinite(single)] = np.nan
    single[np.abs(single) < np.finfo(np.float32).tiny] = 0.0  # TensorFlow flushes them to zero, other runtimes do not
    return single


def transformed(values: Array, spec: Spec) -> Array:
    """Apply the transform of a spec to numbers, float64 without NaN, before they are standardised."""
    if spec["transform"] == "log":
        logarithms: Array = np.sign(values) * np.log1p(np.abs(values))
        return logarithms
    if spec["transform"] == "quantile":
        result = np.full(len(values), spec["values"][0], np.float64)
        for knot, width, slope in segments(spec):
            result += slope * np.clip(values - knot, 0.0, width)
        return result
    return values


def segments(spec: Spec) -> list[tuple[float, float, float]]:
    """Start, width and slope of each piece of a piecewise linear transform."""
    points = pairwise(zip(spec["knots"], spec["values"], strict=True))
    return [(knot, end - knot, (last - first) / (end - knot)) for (knot, first), (end, last) in points]


def lookup(cells: Array, keys: Sequence[str], values: Sequence[float], default: float) -> Array:
    """Value of each cell in a table of keys and values."""
    table = dict(zip(keys, values, strict=True))
    return np.array([table.get(cell, default) for cell in cells.tolist()], np.float64)


# Number formats: decimal signs, thousands separators, signs and units

PLAIN: dict[str, Any] = {"decimal": ".", "thousands": "", "whole": False, "unit": ""}  # a decimal point only
_OTHER = {".": ",", ",": "."}
_NAMES = {".": "points", ",": "commas"}
_SIGN_GROUPS = ("open", "first", "second", "inner", "last")
_NUM_GUESSES = 50  # texts from which the common prefix and suffix of a column's numbers are guessed
_SEPARATORS = " \u00a0\u2009\u202f'\u2019"  # between thousands, in addition to the point or the comma
THOUSANDS = {decimal: other + _SEPARATORS for decimal, other in _OTHER.items()}
_SYMBOLS = "$\u00a2-\u00a5\u058f\u060b\u09f3\u0e3f\u20a0-\u20c0\ufdfc\uff04\uffe0\uffe1\uffe5\uffe6"  # of currencies
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|RMB|KRW|INR|BRL|SEK|NOK|DKK|PLN|CZK|HUF|TRY|RUB|AUD|CAD|NZD|SGD|HKD|MXN|ZAR|Rs|kr|SFr|Fr"
_GAP = r"\s{0,2}"
_MINUS = "\u2212\u2013-"  # the hyphen is last because it would form a range elsewhere in a character class
_BEFORE = rf"[A-Za-z]{{0,3}}[{_SYMBOLS}]|%|(?:{_CODES})\.?"
_BEHIND = rf"(?:[^\W\d_]|[%\u2030\u00b0\u2032\u2033'\"/+{_SYMBOLS}])[^0-9()]{{0,15}}(?:(?<=[A-Za-z])[23])?"  # kg, m2, sq ft
_MULTIPLES = {  # power of ten that a word behind the number of a currency stands for
    **dict.fromkeys(("k", "K", "thousand"), 3),
    **dict.fromkeys(("m", "M", "mn", "Mio", "million"), 6),
    **dict.fromkeys(("B", "bn", "Mrd", "billion"), 9),
}
_PLURAL = re.compile(r"(?<=[A-Za-z]{3})s$")  # 1 year and 2 years have the same unit, but m and ms do not
_WRITTEN = re.compile(
    rf"(?P<open>\()?{_GAP}(?P<first>[+{_MINUS}])?{_GAP}(?P<before>{_BEFORE})?{_GAP}(?P<second>[+{_MINUS}])?{_GAP}(?P<inner>\()?{_GAP}"
    rf"(?P<number>(?:[0-9]|[.,][0-9])(?:[0-9.,{_SEPARATORS}]*[0-9])?(?:[eE][-+]?[0-9]+)?)"
    rf"(?:[.,][{_MINUS}]{{1,2}})?"  # a price without decimals: 1.200,- or 1'200.--
    rf"{_GAP}(?P<unit>{_BEHIND})?(?P<last>[{_MINUS}])?{_GAP}(?P<close>\))?{_GAP}(?P<behind>{_BEHIND})?"
)
_LAKHS = {".": "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}", ",": ""}  # 12,34,567 in India
_BODIES = {
    decimal: (
        rf"(?:(?:[1-9][0-9]{{0,2}}(?P<mark>[{THOUSANDS[decimal]}])[0-9]{{3}}(?:(?P=mark)[0-9]{{3}})*{_LAKHS[decimal]})"
        rf"(?:[{decimal}][0-9]+)?|(?:[0-9]+(?:[{decimal}][0-9]+)?|[{decimal}][0-9]+)(?:[eE][-+]?[0-9]+)?)"
    )
    for decimal in _OTHER
}
_DIGITS = {decimal: re.compile(body) for decimal, body in _BODIES.items()}
_ONLY = {  # matches lines with a number that can only be read with this decimal sign
    decimal: re.compile(
        rf"(?m)^[^0-9\n.,]{{0,6}}(?:(?:(?:0|[0-9]{{4,}})?[{decimal}][0-9]+|[0-9]+[{decimal}](?:[0-9]{{1,2}}|[0-9]{{4,}}))"
        rf"(?:[eE][-+]?[0-9]+)?|[0-9]+[{decimal}][0-9]+[eE][-+]?[0-9]+"
        rf"|[0-9]{{1,3}}(?:[{THOUSANDS[decimal]}][0-9]{{3}})+[{decimal}][0-9]+"
        rf"|[0-9]{{1,3}}(?:[{other}][0-9]{{3}}){{2,}}(?:[{decimal}][0-9]+)?{_LAKHS[decimal]})[^0-9\n.,]*$"
    )
    for decimal, other in _OTHER.items()
}
_EITHER = re.compile(r"(?m)^[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}$")


class Reading(NamedTuple):
    """A number read from text, with its format.

    Attributes:
        value: The number.
        unit: Unit before or after it, such as ``kg``, ``%`` or ``$``. Defaults to "".
        thousands: Thousands separator. Defaults to "".
        has_decimals: Whether it has a decimal sign. Defaults to False.
    """

    value: float
    unit: str = ""
    thousands: str = ""
    has_decimals: bool = False


class Numbers(NamedTuple):
    """A column of numbers, with messages about cells that do not follow the learned format."""

    values: Array
    told: list[str]


def read_number(text: str, decimal: str) -> Reading | None:
    """Read a number with thousands separators, any usual sign (such as parentheses for negatives) and a unit.

    Args:
        text: Text of a cell.
        decimal: Decimal sign, ``.`` or ``,``.

    Returns:
        The number and its format, or None if the text is not a number.

    Example:
        >>> read_number("-1.234,50 kg", ",")
        Reading(value=-1234.5, unit='kg', thousands='.', has_decimals=True)
        >>> read_number("(1,234)", "."), read_number("1.234,5", ".")
        (Reading(value=-1234.0, unit='', thousands=',', has_decimals=False), None)
    """
    return readings_of(text).get(decimal)


def readings_of(text: str) -> dict[str, Reading]:
    """Read a text with each decimal sign; signs with which it is not a number are left out.

    Example:
        >>> {sign: reading.value for sign, reading in readings_of("1,234").items()}
        {'.': 1234.0, ',': 1.234}
    """
    if not (whole := _WRITTEN.fullmatch(text.strip())):
        return {}
    opened, first, before, second, inner, number, unit, last, closed, behind = whole.groups()
    signs = "".join(filter(None, [first, second, last]))
    if bool(opened) + bool(inner) != bool(closed) or len(signs) + bool(closed) > 1:
        return {}
    is_negative = bool(closed) or signs not in ("", "+")
    parts = [_PLURAL.sub("", part.strip().rstrip(".")) for part in (before, unit, behind) if part]
    power = (
        _MULTIPLES.get(parts[-1], 0) if before not in (None, "%") and len(parts) == 2 and "e" not in number.lower() else 0
    )
    unit = parts[0] if power else " ".join(parts)
    found = {}
    for decimal, other in _OTHER.items():
        if digits := _DIGITS[decimal].fullmatch(number):
            value = float(_plainly(number, decimal) + (f"e{power}" if power else ""))
            mark = digits["mark"] or (other if other in number else "")
            found[decimal] = Reading(-value if is_negative else value, unit, mark, decimal in number)
    return found


def uniform_numbers(texts: Sequence[str], decimal: str) -> tuple[str, str, dict[str, float]]:
    """Read all texts that have the same prefix and suffix as the first number among them; this is the fast path.

    Args:
        texts: Different texts.
        decimal: Decimal sign.

    Returns:
        The unit; the numbers without it, as text, one per line; and the value of each text.
    """
    for text in texts[:_NUM_GUESSES]:
        whole = _WRITTEN.fullmatch(text)
        if whole and not any(whole.group(*_SIGN_GROUPS)) and _DIGITS[decimal].fullmatch(whole["number"]):
            before, behind = text[: whole.start("number")], text[whole.end("number") :]
            like = re.compile(f"{re.escape(before)}[-+]?{_BODIES[decimal]}{re.escape(behind)}")
            found = [text for text in texts if like.fullmatch(text)]
            numbers = "\n".join([text[len(before) : len(text) - len(behind)] for text in found])
            reading = readings_of(text)[decimal]
            if reading.value != float(_plainly(whole["number"], decimal)):  # in thousands or millions: others may differ
                break
            values = map(float, _plainly(numbers, decimal).split("\n"))
            return reading.unit, numbers, dict(zip(found, values, strict=True))
    return "", "", {}


def signs_of(lines: str) -> list[str]:
    """Decimal signs that some number requires, because it cannot be read with the other sign."""
    might = [sign for sign, other in _OTHER.items() if sign in lines or (other in lines and _has_twice(lines, other))]
    return [sign for sign in might if _ONLY[sign].search(lines)]


def _has_twice(lines: str, mark: str) -> bool:
    """Whether a mark occurs twice with two or three digits in between, as in 1.234.567."""
    text = np.frombuffer(lines.encode("utf-8", "replace"), np.uint8)
    places = np.flatnonzero(text == ord(mark))
    for gap in (3, 4):
        inside = places[:-1][np.diff(places) == gap, None] + np.arange(1, gap)
        if ((text[inside] >= ord("0")) & (text[inside] <= ord("9"))).all(axis=1).any():
            return True
    return False


def _plainly(number: str, decimal: str) -> str:
    for mark in THOUSANDS[decimal]:
        if mark in number:
            number = number.replace(mark, "")
    return number.replace(decimal, ".")


def read_numbers(
    columns: Mapping[str, Array], written: Mapping[str, Spec], decimal: str = "", is_other_file: bool = False
) -> dict[str, Numbers]:
    """Read the number columns of a table by their learned formats.

    If all unambiguous cells have the other decimal sign, it replaces the learned one in their column and in columns without
    unambiguous cells.

    Args:
        columns: Cells by column name.
        written: Learned format of each column.
        decimal: Decimal sign of the table. Defaults to "": detected from the cells.
        is_other_file: Whether the cells come from a file with another cell separator than the training file. Defaults to
            False.

    Returns:
        Values of each column, NaN for cells that are not numbers with the unit, and messages.
    """
    read = {name: _read_texts(cells, written[name], is_other_file) for name, cells in columns.items()}
    is_contradicted = any(_OTHER[written[name]["decimal"]] in texts.signs for name, texts in read.items())
    if is_contradicted or any(decimal and decimal != each["decimal"] for each in written.values()):
        read = {name: _read_closely(cells) for name, cells in columns.items()}
    signs = set().union(*(texts.signs for texts in read.values()))
    decimal = decimal or (signs.pop() if len(signs) == 1 else "")
    return {name: _judged(name, cells, written[name], read[name], decimal, is_other_file) for name, cells in columns.items()}


class _Texts(NamedTuple):
    """Different texts of a column.

    Attributes:
        values: Values of texts that were read by the fast path.
        readings: Readings of all other texts, by decimal sign.
        signs: Decimal signs that some text requires.
        plain: All cells as plain numbers, if this was tried. Defaults to None.
    """

    values: dict[str, float]
    readings: dict[str, dict[str, Reading]]
    signs: set[str]
    plain: Array | None = None


def _different_texts(cells: Array) -> list[str]:
    return list(filter(_is_text, dict.fromkeys(cells.tolist()))) if cells.dtype.kind in "OU" else []


def _read_closely(cells: Array) -> _Texts:
    readings = {text: found for text in _different_texts(cells) if (found := readings_of(text))}
    return _Texts({}, readings, _signs(readings))


def _signs(readings: Mapping[str, Mapping[str, Reading]]) -> set[str]:
    return {sign for found in readings.values() if len(found) == 1 for sign in found}


def _read_texts(cells: Array, written: Spec, is_other_file: bool) -> _Texts:
    """Read texts in the learned format by the fast path, unless they are ambiguous, and all others one by one."""
    sign, plain, unclear = written["decimal"], None, cells
    if sign == "." and not written["unit"]:
        plain = as_numbers(cells)
        is_unclear = np.isnan(plain)
        if written["whole"]:
            is_unclear |= np.fromiter((_is_text(cell) and "." in cell for cell in cells.tolist()), bool, len(cells))
        unclear = cells[is_unclear]
    texts = [text for text in _different_texts(unclear) if written["unit"] or not text.isdigit()]
    if not texts:
        return _Texts({}, {}, set(), plain)
    different = texts if plain is None else _different_texts(cells)
    unit, numbers, values = uniform_numbers(texts, sign)
    signs = set(signs_of("\n".join(different)))
    is_new = is_other_file or written["whole"] or _OTHER[sign] not in written["thousands"]
    if unit != written["unit"] or (is_new and not signs and _EITHER.search(numbers)):
        values = {}
    readings = {text: found for text in texts if text not in values and (found := readings_of(text))}
    return _Texts(values, readings, signs | _signs(readings), plain)


def _judged(name: str, cells: Array, written: Spec, texts: _Texts, decimal: str, is_other_file: bool) -> Numbers:
    """Decide with which decimal sign a column is read, and report cells that contradict the training data."""
    learned, values = written["decimal"], texts.values
    sign = _OTHER[learned] if (texts.signs or {decimal}) == {_OTHER[learned]} else learned
    is_settled = learned in texts.signs or decimal == learned
    contradicting, doubtful, bare = [], [], []
    for text, found in texts.readings.items():
        reading = found.get(sign) or found[_OTHER[sign]]
        if reading.unit not in ("", written["unit"]):
            values[text] = math.nan
            continue
        values[text] = reading.value
        is_ambiguous = len(found) == 2 and found["."].value != found[","].value
        if learned not in found or (is_ambiguous and sign != learned):
            contradicting.append(text)
        elif is_ambiguous and not is_settled and (is_other_file or _is_new(reading, written)):
            doubtful.append(text)
        if written["unit"] and not reading.unit:
            bare.append(text)
    if not values:
        return Numbers(as_numbers(cells) if texts.plain is None else texts.plain, [])
    lines = {
        f"do not have the format of the training data, which has decimal {_NAMES[learned]}": contradicting,
        f"are ambiguous and are read with decimal {_NAMES[learned]}, as in the training data": doubtful,
        f"have no unit and are read as {written['unit']}": bare,
    }
    messages = [
        f"{_in_line(name)}: {_num_cells(cells, texts)} of {len(cells)} cells {what} "
        f"({', '.join(f'{_in_line(text)[:_WIDEST_SHOWN]} as {values[text]:.10g}' for text in texts[:_MAX_SHOWN])})"
        for what, texts in lines.items()
        if texts
    ]
    read = [values[cell] if _is_text(cell) and cell in values else _number(cell) for cell in cells.tolist()]
    return Numbers(np.array(read, np.float64), messages)


def _num_cells(cells: Array, texts: Sequence[str]) -> int:
    return sum(map(set(texts).__contains__, filter(_is_text, cells.tolist())))


def _is_text(cell: Any) -> bool:
    return isinstance(cell, str)


def _is_new(reading: Reading, written: Spec) -> bool:
    """Whether the number has a separator or decimals that no training cell had."""
    return reading.thousands not in written["thousands"] or (reading.has_decimals and written["whole"])


def _outside(values: Array, spec: Spec) -> str:
    """Message if most of the values are outside the training range, or ""."""
    present, (low, high) = values[~np.isnan(values)], spec["range"]
    outside = present[(present < low) | (present > high)]
    if 2 * len(outside) <= len(present):
        return ""
    return (
        f"{_in_line(spec['name'])}: {len(outside)} of {len(present)} values are outside the range of the training data "
        f"({low:.7g} to {high:.7g}): {outside.min():.7g} to {outside.max():.7g}"
    )


def _number_block(cells: Array, spec: Spec) -> Array:
    missing = np.isnan(cells)
    values = np.where(missing, spec["fill"], cells.astype(np.float64))
    return _side_by_side([_standardised(transformed(values, spec), spec)], missing, spec)


def _date_block(cells: Array, spec: Spec) -> Array:
    missing = np.isnan(cells)
    days = np.where(missing, spec["fill"], cells.astype(np.float64))
    columns = [_standardised(days, spec)]
    for period in spec["periods"]:
        angle = phase(days, period)
        columns += [angle / math.pi - 1, np.sin(angle), np.cos(angle)]
    return _side_by_side(columns, missing, spec)


def phase(days: Array, period: float) -> Array:
    """Position of each day within a period, as an angle."""
    turns = days / period
    angle: Array = (turns - np.floor(turns)) * (2 * math.pi)
    return angle


def _category_block(cells: Array, spec: Spec) -> Array:
    levels = spec["levels"]
    if spec["two_way"]:
        return lookup(cells, levels, (0.0, 1.0), 0.5)[:, None]
    places = lookup(cells, levels, range(len(levels)), len(levels)).astype(np.intp)
    return np.eye(len(levels) + 1, dtype=np.float32)[places]


def _standardised(values: Array, spec: Spec) -> Array:
    result: Array = np.clip((values - spec["offset"]) / spec["scale"], -CLIP, CLIP)
    return result


def _side_by_side(columns: list[Array], missing: Array, spec: Spec) -> Array:
    return np.stack([*columns, missing] if spec["flag"] else columns, axis=1)


def _warn(lines: Sequence[str]) -> None:
    """Issue warnings that point to the caller of the public function that calls this one."""
    for line in lines:
        warnings.warn(line, stacklevel=3)


def _examples(cells: Array) -> str:
    texts = sorted({_in_line(cell)[:_WIDEST_SHOWN] for cell in cells.tolist()})
    return ", ".join(f'"{text}"' for text in texts[:_MAX_SHOWN])


def _in_line(text: Any) -> str:
    return " ".join(str(text).split())


def _cells(column: Any) -> Array:
    """Convert a column to an array, without converting mixed cells to text."""
    if hasattr(column, "__array__"):
        values = np.asarray(column)
    else:
        values = np.empty(len(column), object)
        values[:] = list(column)
    return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values


def _number(cell: Any) -> float:
    if isinstance(cell, str) and ("_" in cell or not cell.isascii()):  # Python accepts these, other tools do not
        return math.nan
    try:
        return float(cell)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return math.nan


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        text = cell
    elif isinstance(cell, float | np.floating):
        is_plain = math.isfinite(cell) and float(cell).is_integer() and abs(float(cell)) < 1e15
        text = str(int(cell)) if is_plain else str(cell)
    else:
        text = "" if cell is None or str(cell) in ("<NA>", "NaT") else str(cell)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")  # graphs cannot hold unpaired surrogates
    text = text.replace("\0", "").strip()[:_LONGEST]  # NumPy drops trailing null characters
    lower = text.lower()
    return "" if lower in MISSING else _BOOLEANS.get(lower, text)


# Dates and times. The shape of a text has 0 for each digit and letters in lower case. Texts of one shape have their fields
# at the same positions, so that each shape is parsed once, and NumPy extracts the fields of thousands of texts together.

_MIN_COMPACT, _MAX_DAYS = 190001, 4_000_000  # smallest YYYYMM, and largest number of days (the year 12921)
_COMPACT_YEARS, _PIVOT = (1900, 2100), 68  # two-digit years above the pivot are in the 20th century, as in POSIX
_LONGEST_MOMENT = 64  # characters
_LEAP_YEAR = 1972  # the year used for days without a year
_NO_YEAR = 9999  # databases use it for "no end date"
_SHAPE = str.maketrans(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\t\u00a0\u2009\u202f\u2010\u2011\u2013\u2212",
    "0000000000abcdefghijklmnopqrstuvwxyz    ----",
)
_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = {name[:length]: i for i, name in enumerate(_MONTH_NAMES.split(), 1) for length in (3, len(name))} | {"sept": 9}
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"
_WORDS = {name[:length] for name in _WEEKDAYS.split() for length in (3, len(name))} | {"tues", "thur", "thurs"}
_WORDS |= {f"{day}{end}" for day in "월화수목금토일" for end in ("요일", "")} | {"t", "at", "of", "on", "the"}
_ORDINALS = ("st", "nd", "rd", "th")
_MARKS = {"년": "Y", "월": "M", "일": "D", "年": "Y", "月": "M", "日": "D"}
_ZONES = {  # minutes east of UTC; for ambiguous abbreviations the most common meaning
    **{"z": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 60, "bst": 60, "cet": 60, "cest": 120, "eet": 120, "eest": 180},
    **{"msk": 180, "ist": 330, "sgt": 480, "hkt": 480, "kst": 540, "jst": 540, "acst": 570, "aest": 600, "aedt": 660},
    **{"nzst": 720, "nzdt": 780, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360},
    **{"pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600},
}
_HALF = r"am|pm|a\.m\.|p\.m\.|오전|오후"
_ZONE = rf" *(?:(?P<zone>{'|'.join(_ZONES)})(?![a-z]) *)?(?:(?P<sign>[+-])(?P<zh>00?):?(?P<zm>00)?)?(?![0:a-z])"
_FRACTION = r"(?:[.,](?P<f>0{1,9}))?"
_CLOCKS = [
    re.compile(text, re.ASCII)
    for text in (
        rf"(?:(?P<half>{_HALF}) *)?(?<![0.:])(?P<h>00?):(?P<m>00)(?::(?P<s>00){_FRACTION})? *(?P<after>{_HALF})?{_ZONE}",
        rf"(?:(?P<half>{_HALF}) *)?(?<!0)(?P<h>00?) *[시時时](?: *(?P<m>00?) *[분分](?: *(?P<s>00?) *[초秒])?)?{_ZONE}",
        rf"(?<![0.:])(?P<h>00?) *(?P<after>am|pm|a\.m\.|p\.m\.){_ZONE}",
        rf"(?<![0.:])(?P<h>00?)\.(?P<m>00)(?:\.(?P<s>00){_FRACTION})? *(?P<after>am|pm){_ZONE}",  # Oracle
        rf"(?<=0000-00-00)[t _-](?P<h>00)[.-](?P<m>00)(?:[.-](?P<s>00){_FRACTION})?{_ZONE}",  # databases and file names
        rf"(?<=0000-00-00)[t ](?P<h>00){_ZONE}",
        rf"(?<=00000000)[t _-](?P<h>00)(?P<m>00)(?:(?P<s>00){_FRACTION})?{_ZONE}",
    )
]
_SPELT = [
    (re.compile(r"\([^()0]*\)"), lambda found: " " * len(found[0])),  # (KST), (금)
    (re.compile(r"^0000:00:00(?= )"), lambda _: "0000-00-00"),  # cameras
    (re.compile(r"(?<=[/a-z]0000):|[\[\]]"), lambda _: " "),  # server logs and SAS
]
_TOKEN = re.compile(r"0+|[a-z]+|[가-힣年月日]+|[^0a-z가-힣年月日]+")
_ORDERS = {("date", 3): ("YMD", "DMY", "MDY"), ("date", 2): ("YM", "MY"), ("season", 2): ("MD", "DM")}
_COMPACT = {  # positions of the fields in digits-only dates, by order and number of digits
    ("YMD", 6): {"Y": (0, 4), "M": (4, 6)},
    ("YMD", 8): {"Y": (0, 4), "M": (4, 6), "D": (6, 8)},
    ("DMY", 8): {"D": (0, 2), "M": (2, 4), "Y": (4, 8)},
    ("MDY", 8): {"M": (0, 2), "D": (2, 4), "Y": (4, 8)},
    ("YMD", 12): {"Y": (0, 4), "M": (4, 6), "D": (6, 8), "h": (8, 10), "m": (10, 12)},
    ("YMD", 14): {"Y": (0, 4), "M": (4, 6), "D": (6, 8), "h": (8, 10), "m": (10, 12), "s": (12, 14)},
}
Span = tuple[int, int]


class _Part(NamedTuple):
    """A number or month name in a date: its position, its field (Y, M or D) if it is marked, and the number of the month."""

    span: Span
    field: str = ""
    month: int = 0

    @property
    def width(self) -> int:
        return self.span[1] - self.span[0]


class _Layout(NamedTuple):
    """Layout of a shape: the parts of a date in their order, the separators between them, and the fields of a time."""

    parts: tuple[_Part, ...]
    separators: frozenset[str]
    clock: dict[str, Span]
    half: str
    offset: int | None
    sign: int


def _read_moments(texts: Sequence[str], reading: Spec) -> Array:
    """Convert texts to days; NaN for texts that do not fit the reading."""
    days = np.full(len(texts), np.nan)
    places_of: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        places_of[text.translate(_SHAPE)].append(place)
    for shape, places in places_of.items():
        layout = _layout(shape)
        spans = None if layout is None else _spans(layout, reading)
        if layout is None or spans is None:
            continue
        codes = np.array([texts[place] for place in places], f"U{len(shape)}").view(np.uint32)
        digits = codes.reshape(len(places), len(shape)).astype(np.int64) - ord("0")
        fields: dict[str, Array] = {
            field: digits[:, start:end] @ 10 ** np.arange(end - start)[::-1] for field, (start, end) in spans.items()
        }
        months = [part.month for part in layout.parts if part.month]
        if months:
            fields["M"] = np.full(len(places), months[0])
        if "Y" in spans and spans["Y"][1] - spans["Y"][0] == 2:
            fields["Y"] = fields["Y"] + np.where(fields["Y"] > _PIVOT, 1900, 2000)
        if "f" in spans:
            fields["f"] = fields["f"] / 10.0 ** (spans["f"][1] - spans["f"][0])
        found = np.asarray(_date_days(fields) + _clock_days(fields, layout))
        if len(layout.parts) == 1:
            found[(fields["Y"] < _COMPACT_YEARS[0]) | (fields["Y"] > _COMPACT_YEARS[1])] = np.nan
        days[places] = found - np.floor(found) if reading["holds"] == "time" else found
    return days


def _date_days(fields: Mapping[str, Array]) -> Array | float:
    """Days of dates; NaN for dates that do not exist, 0 if there is no date."""
    if "M" not in fields:
        return 0.0
    month, day = fields["M"], fields.get("D", np.ones_like(fields["M"]))
    year = fields.get("Y", np.full_like(month, _LEAP_YEAR))
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    first, last = (moment.astype("datetime64[D]").astype(np.int64) for moment in (months, months + 1))
    is_day = (year >= 1) & (year != _NO_YEAR) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last - first)
    return np.where(is_day, first + day - 1, np.nan)


def _clock_days(fields: Mapping[str, Array], layout: _Layout) -> Array | float:
    """Times of day in days, minus the offset of their zone; NaN for times that do not exist, 0 if there is no time."""
    if "h" not in fields:
        return 0.0
    hour, (minute, second, fraction, zone_hour, zone_minute) = fields["h"], (fields.get(field, 0) for field in _SMALLER)
    if layout.half:
        is_after_noon = layout.half in ("pm", "p.m.", "오후")
        fits = hour <= (23 if is_after_noon else 12)
        hour = np.where(hour == 12, 0, hour) + np.where(is_after_noon & (hour <= 12), 12, 0)
    else:
        fits = (hour <= 23) | ((hour == 24) & (minute + second + fraction == 0))
    seconds = hour * 3600 + minute * 60 + second + fraction
    if "zh" in fields:
        seconds = seconds - layout.sign * (zone_hour * 3600 + zone_minute * 60)
    elif layout.offset is not None:
        seconds = seconds - layout.offset * 60
    is_time = fits & (minute <= 59) & (second <= 59) & (zone_hour <= 23) & (zone_minute <= 59)
    return np.where(is_time, seconds / 86400, np.nan)


_SMALLER = ("m", "s", "f", "zh", "zm")


@lru_cache(4096)
def _layout(shape: str) -> _Layout | None:
    """Parse a shape into its layout; None if it is neither a date nor a time."""
    if "0" not in shape or len(shape) > _LONGEST_MOMENT:
        return None
    rest, clock, groups = shape, {}, {}
    for spelt, as_usual in _SPELT:
        rest = spelt.sub(as_usual, rest)
    if found := next(filter(None, (form.search(rest) for form in _CLOCKS)), None):
        groups = found.groupdict()
        clock = {field: found.span(field) for field in ("h", *_SMALLER) if groups.get(field)}
        rest = rest[: found.start()] + " " * len(found[0]) + rest[found.end() :]
    dated = _parts(rest)
    if dated is None or not (dated[0] or clock):
        return None
    offset = _ZONES.get(groups.get("zone") or "")
    half = groups.get("half") or groups.get("after") or ""
    return _Layout(*dated, clock, half, offset, -1 if groups.get("sign") == "-" else 1)


def _parts(text: str) -> tuple[tuple[_Part, ...], frozenset[str]] | None:
    """Parts of a date, and the separators between them, in a shape without a time; None if it contains anything else."""
    parts: list[_Part] = []
    gaps = [""]
    for token in _TOKEN.finditer(text):
        word, follows = token[0], bool(parts) and parts[-1].span[1] == len(text[: token.start()].rstrip())
        if word[0] == "0":
            parts.append(_Part(token.span()))
            gaps.append("")
        elif word in _MONTHS:
            parts.append(_Part(token.span(), "M", _MONTHS[word]))
            gaps.append("")
        elif word in _MARKS and follows:
            parts[-1] = parts[-1]._replace(field=_MARKS[word])
        elif set(word) <= set(" ,./-_'"):
            gaps[-1] += word
        elif word not in _WORDS and not (follows and word in _ORDINALS):
            return None
    if gaps[0].strip(" ,.") or gaps[-1].strip(" ,.") or not (parts or not text.strip()):  # a weekday alone is not a date
        return None
    return tuple(parts), frozenset(gap.strip() for gap in gaps[1:-1])


def _spans(layout: _Layout, reading: Spec) -> dict[str, Span] | None:
    """Position of each field according to a reading; None if the layout does not fit the reading."""
    holds, parts = reading["holds"], layout.parts
    if not parts:  # 13:00-14:00 is a time span, and 14:00 is not an offset
        return layout.clock if holds == "time" and ("zh" not in layout.clock or layout.sign > 0) else None
    if len(parts) == 1:
        order = reading["order"] if reading["digits"] else "YMD"
        fields = _COMPACT.get((order, parts[0].width))
        is_read = holds == "date" and not parts[0].field and (reading["digits"] or layout.clock)
        start = parts[0].span[0]
        return {f: (start + a, start + b) for f, (a, b) in fields.items()} | layout.clock if fields and is_read else None
    orders = [order for order in _ORDERS.get((holds, len(parts)), ()) if _fits(layout, order)]
    if len(orders) > 1:
        orders = [order for order in orders if order == reading["order"]]
    if not orders:
        return None
    dated = {field: part.span for field, part in zip(orders[0], parts, strict=True) if not part.month}
    return dated | layout.clock


def _fits(layout: _Layout, order: str) -> bool:
    """Whether the parts of a date fit an order of fields. Years have two or four digits, other fields one or two."""
    parts, widths = layout.parts, {"Y": (2, 4), "M": (1, 2), "D": (1, 2)}
    is_named, is_marked = any(part.month for part in parts), any(part.field and not part.month for part in parts)
    if any(part.field not in ("", field) for part, field in zip(parts, order, strict=True)):
        return False
    if any(part.width not in widths[field] for part, field in zip(parts, order, strict=True) if not part.month):
        return False
    if any(part.month and field != "M" for part, field in zip(parts, order, strict=True)):
        return False
    has_long_year = any(part.width == 4 and not part.month for part in parts)
    if is_named and order in ("MY", "MD") and not has_long_year:
        return (order == "MY") == bool(layout.separators & set("-/'"))  # as in Excel, Mar-21 is a month and Mar 21 a day
    if is_named:
        return has_long_year or order[0] != "Y"  # a two-digit year is never before a month name
    if is_marked:
        return True
    is_even = len(layout.separators) == 1 and layout.separators <= set("-/._") | {""}
    is_western = order == "MDY" and "." in layout.separators  # in dates with points the month is never first
    is_day = order in ("MD", "DM") and layout.separators == {"/"} and all(part.width == 2 for part in parts)  # 3/5 is 0.6
    return is_even and not is_western and (has_long_year or len(parts) == 3 or is_day)


def _moment_text(cell: Any, reading: Spec) -> str | float:
    """Convert a cell to text that may be a date, or to days."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, datetime.time):
        return str(cell)
    if isinstance(cell, int | float | np.number) and not isinstance(cell, bool):
        return _text(cell) if reading["digits"] else math.nan
    if isinstance(cell, np.datetime64):
        return float(as_days(np.array([cell]), reading)[0])
    if isinstance(cell, datetime.date) and not isinstance(cell, datetime.datetime):
        cell = datetime.datetime(cell.year, cell.month, cell.day)
    if not isinstance(cell, datetime.datetime) or str(cell) == "NaT" or reading["holds"] != "date":
        return math.nan
    since = cell.replace(tzinfo=None) - _EPOCH - (cell.utcoffset() or datetime.timedelta())  # no datetime before the year 1
    return since.days + (since.seconds + since.microseconds / 1e6) / 86400


_TYPES: dict[str, Callable[[Array, Spec], Array]] = {
    "date": as_days,
    "category": lambda cells, _: as_text(cells),
}
_BLOCKS: dict[str, Callable[[Array, Spec], Array]] = {
    "number": _number_block,
    "date": _date_block,
    "category": _category_block,
}
