"""Data: the raw cells of a table -> rows of numbers, by a plain JSON encoding, with NumPy and the standard library alone.

This file imports nothing of Headstart: a copy lies as ``preprocess.py`` beside every exported model of a table.
``typed(columns, encoding)`` gives what the shipped graph takes, ``encode(columns, encoding)`` the rows that it makes of it.
The same encoding is carried out as ONNX nodes and as TensorFlow operations by ``table_graph``. All three compute in
float64 and round once, at the end. Cells that hold something and count as missing are told by a ``UserWarning``. What an
encoding holds::

    {"format": 1, "width": W, "num_dense": D, "columns": [one spec a column]}

    number    name, fill, flag, transform ("none", "log" or "quantile" with knots and values), offset, scale
              -> the standardised value; where flag is true, 1 for a missing cell and 0 for others
    date      name, fill, flag, day_first, offset, scale
              -> standardised days, sine and cosine of the year, sine and cosine of the week; the flag
    category  name, levels, two_way
              -> 1 for its level, in a last column for a cell of none of them; two_way: one column, 0.5 for none of them
              codes, where there are many levels -> besides, at position D or later, 1 + place in codes; 0 for none of them
"""

from __future__ import annotations

import datetime
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = [
    "CLIP",
    "DAYS_OF_WEEK",
    "DAYS_OF_YEAR",
    "MISSING",
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
    "read_cells",
    "segments",
    "to_single",
    "transformed",
    "typed",
]

Array = np.ndarray[Any, Any]
Spec = Mapping[str, Any]

MISSING = frozenset(("", "?", "-", ".", "na", "n/a", "nan", "null", "none"))  # lower case
CLIP = 8.0  # standard deviations
DAYS_OF_YEAR, DAYS_OF_WEEK = 365.2425, 7.0

_BOOLEANS = {"true": "True", "false": "False"}  # files of R, Excel and databases spell them otherwise
_LONGEST = 128  # characters of a category: arrays of text give each cell the room of the longest
_MOST_SHOWN, _WIDEST_SHOWN = 3, 40  # examples of odd cells, and characters of one
_GROUPED = re.compile(r"([+-]?[1-9]\d{0,2}(?:\.\d{3})+)(,\d*)?", re.ASCII)  # 1.234.567,8
_EPOCH = datetime.datetime(1970, 1, 1)
_TIME = r"(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?"
_YEAR_LAST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})" + _TIME, re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})" + _TIME, re.ASCII)


def typed(columns: Mapping[str, Any], encoding: Mapping[str, Any], decimal: str = ".") -> dict[str, Array]:
    """The cells of each column as the graphs take them; columns that the encoding does not name are left aside.

    A ``UserWarning`` tells of each column with cells that hold something and count as missing all the same.

    Args:
        columns: Raw cells (text, numbers, dates, None) by the name of the column, all of one length ``n``.
        encoding: What was learned.
        decimal: What stands before the decimals in text that is a number, ``.`` or ``,``.

    Returns:
        Arrays ``(n,)``: float32 with NaN for missing (numbers; days since 1970-01-01), or text with "" for missing.

    Raises:
        ValueError: A column is not there, or is of another length, or ``decimal`` is another character.

    Example:
        >>> spec = {"name": "age", "kind": "number", "fill": 30.0, "flag": True}
        >>> spec |= {"transform": "none", "offset": 30.0, "scale": 5.0}
        >>> encoding = {"format": 1, "width": 2, "num_dense": 2, "columns": [spec]}
        >>> encode({"age": ["25", "?", 40]}, encoding).tolist()
        [[-1.0, 0.0], [0.0, 1.0], [2.0, 0.0]]
    """
    cells, odd = read_cells(columns, encoding, decimal)
    _warn(odd)
    return cells


def encode(columns: Mapping[str, Any], encoding: Mapping[str, Any], decimal: str = ".") -> Array:
    """Rows of numbers, float32 ``(n, width)``: the dense columns of all specs in their order, then the codes.

    The arguments are those of ``typed``, and so are the warnings: cells that were typed before give none.

    Raises:
        ValueError: As ``typed`` does.
    """
    cells, odd = read_cells(columns, encoding, decimal)
    _warn(odd)
    return encode_typed(cells, encoding)


def encode_typed(cells: Mapping[str, Array], encoding: Mapping[str, Any]) -> Array:
    """The same of what ``typed`` gave."""
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
    columns: Mapping[str, Any], encoding: Mapping[str, Any], decimal: str = "."
) -> tuple[dict[str, Array], list[str]]:
    """What ``typed`` gives, and the lines that it would warn with.

    Raises:
        ValueError: As ``typed`` does.
    """
    found: dict[str, Array] = {}
    odd: list[str] = []
    for spec in encoding["columns"]:
        name = spec["name"]
        if name not in columns:
            raise ValueError(f"no column {name!r}: the columns are {', '.join(map(repr, columns)) or 'none'}")
        cells = _cells(columns[name])
        found[name] = _TYPES[spec["kind"]](cells, spec, decimal)
        odd += filter(None, odd_cells(name, cells, found[name], spec["kind"]))
    if len(lengths := {len(cells) for cells in found.values()}) > 1:
        raise ValueError(f"columns of different lengths: {', '.join(map(str, sorted(lengths)))}")
    return found, odd


def odd_cells(name: str, cells: Any, read: Array, kind: str) -> tuple[str, str]:
    """What there is to tell of cells that hold something and count as missing; "" for nothing.

    Args:
        name: The column's.
        cells: As they stood.
        read: The same as numbers or days, NaN for missing; or as text, of which there is nothing to tell.
        kind: What the column is.

    Returns:
        A line about those that are no numbers or no dates, and one about those that are infinite.

    Example:
        >>> odd_cells("age", ["25", "?", "old", "inf"], np.array([25, np.nan, np.nan, np.nan]), "number")[0]
        'age: 1 of 4 cells are no numbers and count as missing (old)'
    """
    if kind == "category":
        return "", ""
    unread = _cells(cells)[np.isnan(read)]
    odd = unread[~is_missing(unread)]
    is_infinite = np.abs(as_numbers(odd)) > np.finfo(np.float32).max
    told = {f"no {kind}s": odd[~is_infinite], "infinite": odd[is_infinite]}
    unreadable, infinite = (
        f"{_in_line(name)}: {len(found)} of {len(read)} cells are {what} and count as missing ({_examples(found)})"
        if len(found)
        else ""
        for what, found in told.items()
    )
    return unreadable, infinite


def code_sizes(encoding: Mapping[str, Any]) -> list[int]:
    """Different codes of each code column, 0 for unseen among them: the vocabulary of its Embedding layer."""
    return [len(spec["codes"]) + 1 for spec in encoding["columns"] if "codes" in spec]


def dense_width(spec: Spec) -> int:
    """How many dense columns a spec gives."""
    if spec["kind"] == "category":
        return 1 if spec["two_way"] else len(spec["levels"]) + 1
    return (5 if spec["kind"] == "date" else 1) + int(spec["flag"])


def as_numbers(cells: Any, decimal: str = ".") -> Array:
    """Cells as float64: NaN for what is missing or no number; infinities stay; of dates, the days since 1970-01-01.

    Args:
        cells: Text, numbers or dates.
        decimal: What stands before the decimals in text. With a comma there, points before groups of three digits are
            dropped.

    Raises:
        ValueError: ``decimal`` is neither a point nor a comma.

    Example:
        >>> as_numbers(["1e3", " 5 ", "1_000", "", "-inf"])
        array([1000.,    5.,   nan,   nan,  -inf])
        >>> as_numbers(["1,5", "1.234.567", "-1.234,5"], decimal=",")
        array([ 1.500000e+00,  1.234567e+06, -1.234500e+03])
    """
    if decimal not in (".", ","):
        raise ValueError(f"decimal {decimal!r}: it is '.' or ','")
    values = _cells(cells)
    if values.dtype.kind == "M":
        return as_days(values)
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    if decimal == ",":
        return np.array([_number(_with_point(cell) if isinstance(cell, str) else cell) for cell in values], np.float64)
    return np.array([_number(cell) for cell in values], np.float64)


def as_days(cells: Any, day_first: bool = True) -> Array:
    """Cells as float64 days since 1970-01-01, UTC where they name a zone: NaN for what is no date.

    Args:
        cells: ISO dates, dates such as 31.1.2024 or 1/31/2024, date objects, or days already.
        day_first: Whether 1/2/2024 is in February.
    """
    values = _cells(cells)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[s]")
        return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / 86400)
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    return np.array([_day(cell, day_first) for cell in values], np.float64)


def is_missing(cells: Any) -> Array:
    """Which cells say nothing: NaN, NaT, blank, or a marker such as ``?`` or ``n/a``.

    Example:
        >>> is_missing(np.array(["5", " ?", "NaN", "0"], object)).tolist()
        [False, True, True, False]
    """
    values = _cells(cells)
    if values.dtype.kind in "fM":
        return np.isnan(values) if values.dtype.kind == "f" else np.isnat(values)
    return np.fromiter((not _text(cell) for cell in values), bool, len(values))


def as_text(cells: Any) -> Array:
    """Cells as stripped text of at most 128 characters, "" for missing; a whole number has no decimal point.

    True and false in any case are ``True`` and ``False``.
    """
    return np.array([_text(cell) for cell in _cells(cells)], np.str_)


def to_single(values: Array) -> Array:
    """Values as float32: NaN for infinite and for too large, 0 for too small to be a normal number."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = values.astype(np.float32)
    single[~np.isfinite(single)] = np.nan
    single[np.abs(single) < np.finfo(np.float32).tiny] = 0.0  # TensorFlow would make it zero, and others would not
    return single


def transformed(values: Array, spec: Spec) -> Array:
    """Numbers, float64 without NaN, before they are standardised."""
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
    """The pieces of a piecewise linear function: where each starts, how wide it is, and its slope."""
    points = pairwise(zip(spec["knots"], spec["values"], strict=True))
    return [(knot, end - knot, (last - first) / (end - knot)) for (knot, first), (end, last) in points]


def lookup(cells: Array, keys: Sequence[str], values: Sequence[float], default: float) -> Array:
    """For each cell the value of its key."""
    table = dict(zip(keys, values, strict=True))
    return np.array([table.get(cell, default) for cell in cells.tolist()], np.float64)


def _number_block(cells: Array, spec: Spec) -> Array:
    missing = np.isnan(cells)
    values = np.where(missing, spec["fill"], cells.astype(np.float64))
    return _side_by_side([_standardised(transformed(values, spec), spec)], missing, spec)


def _date_block(cells: Array, spec: Spec) -> Array:
    missing = np.isnan(cells)
    days = np.where(missing, spec["fill"], cells.astype(np.float64))
    columns = [_standardised(days, spec)]
    for period in (DAYS_OF_YEAR, DAYS_OF_WEEK):
        turns = days / period
        angle = (turns - np.floor(turns)) * (2 * math.pi)
        columns += [np.sin(angle), np.cos(angle)]
    return _side_by_side(columns, missing, spec)


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
    """Of whoever called the function that calls this."""
    for line in lines:
        warnings.warn(line, stacklevel=3)


def _examples(cells: Array) -> str:
    return ", ".join(sorted({_in_line(cell)[:_WIDEST_SHOWN] for cell in cells.tolist()})[:_MOST_SHOWN])


def _in_line(text: Any) -> str:
    return " ".join(str(text).split())


def _cells(column: Any) -> Array:
    """One column as an array, without making text of what stands beside text."""
    if hasattr(column, "__array__"):
        values = np.asarray(column)
    else:
        values = np.empty(len(column), object)
        values[:] = list(column)
    return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values


def _with_point(text: str) -> str:
    """A number with a decimal comma as one with a point."""
    text = text.strip()
    if grouped := _GROUPED.fullmatch(text):
        text = grouped[1].replace(".", "") + (grouped[2] or "")
    return text.replace(",", ".")


def _number(cell: Any) -> float:
    if isinstance(cell, str) and ("_" in cell or not cell.isascii()):  # Python would take these, and no other tool
        return math.nan
    try:
        return float(cell)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return math.nan


def _day(cell: Any, day_first: bool) -> float:
    if isinstance(cell, str):
        cell = _date_of_text(cell.strip(), day_first)
    elif isinstance(cell, np.datetime64):
        return float(as_days(np.array([cell]))[0])
    elif isinstance(cell, datetime.date) and not isinstance(cell, datetime.datetime):
        cell = datetime.datetime(cell.year, cell.month, cell.day)
    if not isinstance(cell, datetime.datetime) or str(cell) == "NaT":
        return math.nan
    since = cell.replace(tzinfo=None) - _EPOCH - (cell.utcoffset() or datetime.timedelta())  # no moment before the year 1
    return since.total_seconds() / 86400


def _date_of_text(text: str, day_first: bool) -> datetime.datetime | None:
    try:
        if not (parts := _YEAR_LAST.fullmatch(text) or _YEAR_FIRST.fullmatch(text)):
            return datetime.datetime.fromisoformat(text)
        first, middle, last, *time = (int(part or 0) for part in parts.group(1, 3, 4, 5, 6, 7))
        if parts.re is _YEAR_FIRST:
            year, month, day = first, middle, last
        else:
            month, day = (middle, first) if day_first else (first, middle)
            year = last if len(parts[4]) == 4 else last + (1900 if last > 68 else 2000)  # as POSIX has it
        hour, minute, second = time
        return datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        text = cell
    elif isinstance(cell, float | np.floating):
        is_plain = math.isfinite(cell) and float(cell).is_integer() and abs(float(cell)) < 1e15
        text = str(int(cell)) if is_plain else str(cell)
    else:
        text = "" if cell is None or str(cell) in ("<NA>", "NaT") else str(cell)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair fits into no graph
    text = text.replace("\0", "").strip()[:_LONGEST]  # NumPy drops zeros at the end of a text
    lower = text.lower()
    return "" if lower in MISSING else _BOOLEANS.get(lower, text)


_TYPES: dict[str, Callable[[Array, Spec, str], Array]] = {
    "number": lambda cells, _, decimal: to_single(as_numbers(cells, decimal)),
    "date": lambda cells, spec, _: to_single(as_days(cells, spec["day_first"])),
    "category": lambda cells, _, __: as_text(cells),
}
_BLOCKS: dict[str, Callable[[Array, Spec], Array]] = {
    "number": _number_block,
    "date": _date_block,
    "category": _category_block,
}
