r"""Ground: rows as CSV text that a spreadsheet opens without running any of it, and such text read back.

Spreadsheets run a cell that begins with ``=``, ``+``, ``-`` or ``@`` (or with the full-width form of one) as a formula, and
the name of a file or a class can be such a cell. Text like that is written with an apostrophe in front. A cell that already
looks so gets one more, and reading takes off exactly what writing has put there. Numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from headstart.foundation.text import printable

__all__ = ["from_csv", "neutralise", "restore", "to_csv"]

_FORMULA = re.compile(r"['\s]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_SEPARATOR = ";"  # between labels; and between cells, for a spreadsheet whose decimal sign is the comma


def neutralise(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula, and before such text after a ``;``.

    Example:
        >>> neutralise("=1+1"), neutralise("-5"), neutralise("wet;-cold"), neutralise("'=1+1")
        ("'=1+1", '-5', "wet;'-cold", "''=1+1")
    """
    return _SEPARATOR.join(f"'{part}" if _would_run(part) else part for part in text.split(_SEPARATOR))


def restore(text: str) -> str:
    """Take off the apostrophes that ``neutralise`` has put there.

    Example:
        >>> restore("'=1+1"), restore("''=1+1"), restore("'tis")
        ('=1+1', "'=1+1", "'tis")
    """
    parts = text.split(_SEPARATOR)
    return _SEPARATOR.join(part[1:] if part.startswith("'") and _would_run(part[1:]) else part for part in parts)


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text: a heading and a line for each row.

    Control characters and undecodable bytes are shown as escapes, text that would run as a formula is neutralised, and None
    is an empty cell.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[dict[str, str]]:
    """Rows that ``to_csv`` wrote, as dictionaries of text.

    Raises:
        ValueError: It is not CSV, or a line has more or fewer cells than the heading.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [restore(name) for name in next(reader, [])]
        return [dict(zip(columns, map(restore, cells), strict=True)) for cells in reader]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    except ValueError as error:
        raise ValueError(f"line {reader.line_num} has not as many cells as the heading") from error


def _would_run(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


def _cell(value: object) -> object:
    if isinstance(value, str):
        return neutralise(printable(value))
    return "" if value is None else value
