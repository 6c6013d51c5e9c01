r"""CSV text that is safe to open in a spreadsheet: cells that would run as formulas are escaped, and unescaped when read.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` (or the full-width form of one of them) as a formula,
and a file name or class name can be such a cell. Such text is written with a leading apostrophe. A cell that already has
one gets a second one, so that reading removes exactly what writing added. Numbers are left as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from headstart.foundation.text import printable

__all__ = ["from_csv", "neutralise", "restore", "to_csv"]

_SIGN = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_FORMULA = re.compile(rf"['\s]*{_SIGN.pattern}")
_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_SEPARATOR = ";"  # separates labels within a cell, and cells in a spreadsheet whose decimal sign is the comma


def neutralise(text: str) -> str:
    """Add an apostrophe before text that a spreadsheet would run as a formula, at the start or after a ``;``.

    Example:
        >>> neutralise("=1+1"), neutralise("-5"), neutralise("wet;-cold"), neutralise("'=1+1")
        ("'=1+1", '-5', "wet;'-cold", "''=1+1")
    """
    if _SIGN.search(text) is None:
        return text
    return _SEPARATOR.join(f"'{part}" if _would_run(part) else part for part in text.split(_SEPARATOR))


def restore(text: str) -> str:
    """Remove the apostrophes that ``neutralise`` added.

    Example:
        >>> restore("'=1+1"), restore("''=1+1"), restore("'tis")
        ('=1+1', "'=1+1", "'tis")
    """
    parts = text.split(_SEPARATOR)
    return _SEPARATOR.join(part[1:] if part.startswith("'") and _would_run(part[1:]) else part for part in parts)


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format rows as CSV text: a header line, then one line per row.

    Control characters and undecodable bytes are written as escapes, text that would run as a formula is neutralised, and
    None becomes an empty cell.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[dict[str, str]]:
    """Parse text written by ``to_csv`` into one dictionary of text per row.

    Raises:
        ValueError: The text is not CSV, or a line has more or fewer cells than the header.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [restore(name) for name in next(reader, [])]
        return [dict(zip(columns, map(restore, cells), strict=True)) for cells in reader]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    except ValueError as error:
        raise ValueError(f"line {reader.line_num} has a different number of cells than the header") from error


def _would_run(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def _cell(value: object) -> object:
    if isinstance(value, str):
        return neutralise(printable(value))
    return "" if value is None else value
