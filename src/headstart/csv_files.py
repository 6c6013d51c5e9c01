"""Data: CSV of any kind: bytes to text, text to rows of cells, rows to columns with names."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from headstart.encoding import as_days, as_numbers, is_missing
from headstart.skipping import Skipped

__all__ = ["CsvTable", "read_csv_table"]

_SEPARATORS = "\t;,|"  # of two that fit alike, the earlier one
_SAMPLE = 50  # rows that the separator is told from
_COMMA_NUMBER = re.compile(r"([-+]?\d+),(\d+(?:[eE][-+]?\d+)?)", re.ASCII)
_NUMBER_LIKE = re.compile(r"\s*[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?\s*", re.ASCII)


class CsvTable(NamedTuple):
    """What a CSV file holds.

    Attributes:
        names: Of the columns, as they stood; blank where there is no header.
        columns: The stripped cells of each column.
        numbering: The number of each row among the rows of the file, from 1, a header not counted.
        skipped: The rows whose number of cells is not the table's.
    """

    names: list[str]
    columns: list[list[str]]
    numbering: list[int]
    skipped: list[Skipped]


def read_csv_table(content: bytes, known: Sequence[str] = ()) -> CsvTable:
    """Make a table of the bytes of a CSV file; blank lines are no rows.

    Args:
        content: The bytes.
        known: The columns that a trained model knows: a first row that names most of them is a header.

    Raises:
        ValueError: It holds no text, or no row.
    """
    return _table_of_rows(_rows(_decoded(content)), known)


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encodings = ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1252", "latin-1")
    text = next((text for encoding in encodings if (text := _decoded_as(content, encoding)) is not None), "\0")
    num_controls = sum(map(text[:100_000].count, (*map(chr, range(9)), *map(chr, range(14, 32)))))
    if "\0" in text or num_controls > len(text[:100_000]) / 100:
        raise ValueError("it holds bytes that are no text")
    return text


def _decoded_as(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _rows(text: str) -> list[list[str]]:
    """Stripped cells, row by row; blank lines are left out."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    start = "".join(islice(io.StringIO(text[: 1 << 23], newline=""), 10 * _SAMPLE))
    quote = _quote(start)
    separator = _separator(start, quote)
    if separator == " ":
        text, separator = _tabbed(text, quote), "\t"
    rows = _parsed(text, separator, quote)
    if any("\n" in cell or "\r" in cell for row in rows for cell in row):
        # Lines in a cell: they belong to it, unless a stray quote has swallowed rows.
        plain = _parsed(text, separator, None)
        if _usual_width(plain)[1] > _usual_width(rows)[1]:
            rows = [[cell.strip(quote).strip() for cell in row] for row in plain]
    if not rows:
        raise ValueError("it is empty")
    if separator != ",":  # a comma within a number is a point then, as much of Europe writes it
        rows = [
            [_COMMA_NUMBER.sub(r"\1.\2", cell) if _COMMA_NUMBER.fullmatch(cell) else cell for cell in row] for row in rows
        ]
    return rows


def _parsed(text: str, separator: str, quote: str | None) -> list[list[str]]:
    form: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, **form)
    rows = ([cell.strip() for cell in line] for line in lines)
    return [row for row in rows if row and row != [""]]


def _tabbed(text: str, quote: str) -> str:
    """A tab for any run of spaces outside quotes."""
    trimmed = re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text)
    return re.sub(rf"({quote}[^{quote}\n]*{quote})|[ \t]+", lambda run: run[1] or "\t", trimmed)


def _quote(text: str) -> str:
    """The single quote where a line has at least one cell in single quotes and fewer in double ones; else the double."""
    single, double = (len(re.findall(rf"(?m)(?:^|[,;\t|]) *{q}[^{q}\n]*{q} *(?=[,;\t|\r]|$)", text)) for q in ("'", '"'))
    return "'" if single > double and single >= 0.8 * text.count("\n") else '"'


def _separator(text: str, quote: str) -> str:
    """What splits the rows into equally many cells, the first one too; and into numbers rather than pieces of them."""
    if (between := _between_quotes(text, quote)) is not None:
        return between
    ranked = [(_fitness(_parsed(text, mark, quote)[:_SAMPLE]), mark) for mark in _SEPARATORS]
    fitness, separator = max(ranked, key=lambda pair: pair[0])
    if fitness[:2] == (True, True):
        return separator
    if _fitness(_parsed(_tabbed(text, quote), "\t", quote)[:_SAMPLE])[:2] == (True, True):
        return " "
    return separator if fitness[3] > 0.5 else ","


def _between_quotes(text: str, quote: str) -> str | None:
    """What stands between a closing and an opening quote in most lines."""
    least = max(1, text.count("\n"), text.count("\r")) / 2
    counts = {
        mark: len(re.findall(rf"(?<!{quote}){quote} ?{re.escape(mark)} ?{quote}(?!{quote})", text)) for mark in _SEPARATORS
    }
    mark = max(counts, key=lambda mark: counts[mark])
    return mark if counts[mark] >= least else None


def _fitness(rows: list[list[str]]) -> tuple[bool, bool, float, float]:
    """Whether most rows have as many cells, two at least; whether the first has; the share of numbers; that of such rows."""
    width, count = _usual_width(rows)
    if width < 2:
        return False, False, 0.0, 0.0
    cells = [cell for row in rows if len(row) == width for cell in row]
    num_numbers = sum(_NUMBER_LIKE.fullmatch(cell) is not None for cell in cells)
    is_short = len(rows[0]) == width - 1 > 1  # a header may lack a name, or the separator at its end
    share = (count + is_short) / len(rows)
    return share >= 0.8, is_short or len(rows[0]) == width, num_numbers / len(cells), share


def _usual_width(rows: list[list[str]]) -> tuple[int, int]:
    """The commonest number of cells in a row, and how many rows have it."""
    return Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)


def _table_of_rows(rows: list[list[str]], known: Sequence[str]) -> CsvTable:
    width, _ = _usual_width(rows)
    if width > 1 and not any(row[-1] for row in rows if len(row) == width):  # a separator at the end of each line
        rows = [row[:-1] if len(row) == width else row for row in rows]
        width -= 1
    if len(rows[0]) == width - 1 > 1 and _is_header(["", *rows[0]], rows[1:], known):
        rows[0].insert(0, "")  # as R writes a table whose rows have names
    place = next(i for i, row in enumerate(rows) if len(row) == width)
    body = [row for row in rows[place + 1 :] if len(row) == width]
    names = [""] * width
    if _is_header(rows[place], body, known):
        names = rows.pop(place)
    kept = [(number, row) for number, row in enumerate(rows, 1) if len(row) == width]
    size = f"{width} column" + "s" * (width != 1)
    skipped = [
        Skipped(f"row {number}", f"{len(row)} cell{'s' * (len(row) != 1)} where the table has {size}")
        for number, row in enumerate(rows, 1)
        if len(row) != width
    ]
    columns = [[row[i] for _, row in kept] for i in range(width)]
    return CsvTable(names, columns, [number for number, _ in kept], skipped)


def _is_header(first: list[str], body: list[list[str]], known: Sequence[str]) -> bool:
    """Whether the first row names the columns: known ones, or with texts that are neither numbers nor cells below."""
    if known and 2 * sum(name in first for name in known) > len(known):
        return True
    told = np.flatnonzero(~is_missing(np.array(first, object)))
    below = {i: {row[i] for row in body if len(row) == len(first)} for i in told}
    if numbered := [i for i in told if _NUMBER_LIKE.fullmatch(first[i])]:
        # A name may be a number, where others are words above numbers and none is a cell below.
        words = [i for i in told if i not in numbered]
        stand_above = sum(_are_numbers(below[i]) for i in words)
        return stand_above > 0 and len(numbered) <= len(words) and not any(first[i] in below[i] for i in words)
    if any(_are_dates([first[i]]) and _are_dates([*cells]) for i, cells in below.items()):
        return False
    if known and abs(len(first) - len(known)) <= 1 and all(re.fullmatch(r"c\d+", name) for name in known):
        # The model's table had no header. One here would stand above numbers.
        return any(_are_numbers(cells) for cells in below.values())
    if "?" in first:  # no column is called that, and a missing cell often is
        return False
    return 2 * sum(first[i] in cells for i, cells in below.items()) < len(told)


def _are_numbers(cells: set[str]) -> bool:
    """Whether all of the cells are numbers, or missing."""
    values = np.array([*cells], object)
    missing = is_missing(values)
    return bool((missing | ~np.isnan(as_numbers(values))).all() and not missing.all())


def _are_dates(cells: list[str]) -> bool:
    """Whether most of the cells are dates."""
    found = as_days(np.array(cells[:_SAMPLE], object))
    return 2 * int((~np.isnan(found)).sum()) > len(found)
