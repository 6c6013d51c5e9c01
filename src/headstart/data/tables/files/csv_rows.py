"""Parsing of a CSV file into rows of cells, with detection of encoding, separator and quotes."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from headstart.data.tables.files.comment_lines import Comments, split_comments
from headstart.data.tables.files.regular_rows import regular_rows
from headstart.data.tables.files.text_encoding import as_utf8
from headstart.data.tables.number_formats import NUMBER_LIKE
from headstart.data.tables.text_columns import TextColumns
from headstart.foundation.arrays import Array

__all__ = ["FILE_NAME", "CsvRows", "read_rows", "rows_of_lists", "usual_width"]

_SEPARATORS = "\t;,|"  # in order of preference if several fit equally well
_SAMPLE = 50  # rows from which the separator is detected
_USUAL = 0.8  # share of rows that must have the most frequent number of cells
FILE_NAME = re.compile(r"[^\t;,|]*[^\t;,|\s]\.[A-Za-z]\w{1,4}", re.ASCII)
_START_BYTES = 1 << 23


class CsvRows(NamedTuple):
    """Rows of stripped cells, without blank rows.

    Attributes:
        cells: Rows with the usual number of cells.
        numbering: Number of each of them among all rows, from 1.
        odd: Number and cells of each other row, ascending.
        separator: Cell separator.
        notes: Lines that were left out before the rows, in a sentence each.
    """

    cells: TextColumns
    numbering: Array
    odd: list[tuple[int, list[str]]]
    separator: str
    notes: tuple[str, ...] = ()


def read_rows(content: bytes) -> CsvRows:
    """Parse a CSV file into rows, and detect its encoding, separator and quotes.

    Raises:
        ValueError: The file is not text, or has no rows.
    """
    content = as_utf8(content)
    comments = split_comments(content)
    start = _start(comments.rest)
    quote = _quote(start)
    separator = comments.separator or _separator(start, quote)
    content, notes = _with_header(comments, separator, quote)
    if separator == " ":
        content, separator = _tabbed(content.decode(), quote).encode(), "\t"
    with _cells_of_any_length(len(content)):
        width, _ = usual_width(_parsed(_start(content), separator, quote)[:_SAMPLE])
        if width > 1 and (found := regular_rows(content, separator, quote, width)) is not None:
            cells, odd = found
            if max(Counter(len(row) for _, row in odd).values(), default=0) <= cells.num_rows:
                return _numbered(cells, odd, separator)._replace(notes=notes)
        text = content.decode()
        del content
        rows = _parsed(text, separator, quote)
        if any(map(_holds_lines, rows)):
            rows = _with_swallowed(rows, text, separator, quote)
    return rows_of_lists(rows, separator)._replace(notes=notes)


@contextmanager
def _cells_of_any_length(num_bytes: int) -> Iterator[None]:
    """Let cells be as long as the file. The limit is one of the process, so other readers get theirs back."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, num_bytes))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def rows_of_lists(rows: list[list[str]], separator: str) -> CsvRows:
    """Separate rows of stripped cells by their number of cells.

    Raises:
        ValueError: There are no rows.
    """
    if not rows:
        raise ValueError("the file is empty")
    width, _ = usual_width(rows)
    odd = [(number, row) for number, row in enumerate(rows, 1) if len(row) != width]
    return _numbered(TextColumns.from_rows([row for row in rows if len(row) == width]), odd, separator)


def _numbered(cells: TextColumns, odd: list[tuple[int, list[str]]], separator: str) -> CsvRows:
    numbers = np.arange(1, cells.num_rows + len(odd) + 1)
    return CsvRows(cells, np.delete(numbers, [number - 1 for number, _ in odd]), odd, separator)


def _with_header(comments: Comments, separator: str, quote: str) -> tuple[bytes, tuple[str, ...]]:
    """Leave comment lines out, unless they are rows themselves; the last may be the header."""

    def cells_of(text: str) -> list[list[str]]:
        return _parsed(_tabbed(text, quote), "\t", quote) if separator == " " else _parsed(text, separator, quote)

    if not comments.lines:
        return comments.rest, ()
    width, _ = usual_width(cells_of(_start(comments.rest))[:_SAMPLE])
    lines = [comments.bare(line) for line in comments.lines]
    are_rows = [width > 1 and [*map(len, cells_of(line))] == [width] for line in lines]
    if 2 * sum(are_rows) > len(lines) > 1:
        return comments.whole, ()
    if not are_rows[-1]:
        return comments.rest, comments.notes(len(lines))
    is_name = len(lines) == 1 and not comments.lines[-1].startswith(f"{comments.mark} ")  # as in #id,size
    header = comments.lines[-1] if is_name else lines[-1]
    return header.encode() + b"\n" + comments.rest, comments.notes(len(lines) - 1)


def _start(content: bytes) -> str:
    """First lines of a file in UTF-8."""
    mark, end = b"\n" if b"\n" in content else b"\r", 0
    for _ in range(10 * _SAMPLE):
        place = content.find(mark, end, _START_BYTES)
        if place < 0:
            end = _START_BYTES
            break
        end = place + 1
    return content[:end].decode("utf-8", "ignore")


def _parsed(text: str, separator: str, quote: str | None) -> list[list[str]]:
    return _visible(_reader(io.StringIO(text, newline=""), separator, quote))


def _reader(lines: Iterable[str], separator: str, quote: str | None, strict: bool = False) -> Any:
    form: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    return csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=strict, **form)


def _visible(rows: Iterable[list[str]]) -> list[list[str]]:
    """Stripped cells, without blank rows."""
    stripped = ([cell.strip() for cell in row] for row in rows)
    return [row for row in stripped if row and row != [""]]


def _holds_lines(row: list[str]) -> bool:
    return any("\n" in cell or "\r" in cell for cell in row)


def _with_swallowed(rows: list[list[str]], text: str, separator: str, quote: str) -> list[list[str]]:
    """Parse again and recover rows swallowed by stray quotes: a line with a stray quote becomes a row of its own."""
    sure = [row for row in rows if not _holds_lines(row)] or (rows if len(rows) > 1 else _parsed(text, separator, None))
    width, _ = usual_width(sure)
    lines = io.StringIO(text, newline="").readlines()
    found, place, longest = [], 0, len(lines)
    while place < len(lines):
        reader = _reader(map(lines.__getitem__, range(place, min(place + longest, len(lines)))), separator, quote)
        row, end = next(reader), place + reader.line_num
        if _holds_lines(row) and _is_swallow(row, lines[place:end], width, separator, quote):
            if end == len(lines):
                longest = _SAMPLE  # so that not every stray quote makes the parser read to the end of the file
            row, end = [cell.strip().strip(quote) for cell in next(_reader([lines[place]], separator, None))], place + 1
        found.append(row)
        place = end
    return _visible(found)


def _is_swallow(row: list[str], lines: list[str], width: int, separator: str, quote: str) -> bool:
    """Whether the lines within a row are rows themselves, judged by their number of cells and by invalid quotes."""
    plain = _parsed("".join(lines), separator, None)
    are_rows = sum(len(cells) == width for cells in plain) >= _USUAL * len(plain)
    try:
        list(_reader(lines, separator, quote, strict=True))
    except csv.Error:
        return are_rows or len(row) != width
    return are_rows and width > 1 and len(plain) > 2  # two lines with commas may be prose in a cell


def _tabbed(text: str, quote: str) -> str:
    """Replace each run of spaces outside quotes by a tab; a cell that is quoted as a whole may contain line breaks."""
    trimmed = re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text)
    cell = rf"(?<!\S){quote}(?:[^{quote}]|{quote}{quote})*{quote}(?!\S)"
    return re.sub(rf"({cell}|{quote}[^{quote}\n]*{quote})|[ \t]+", lambda run: run[1] or "\t", trimmed)


def _quote(text: str) -> str:
    """Detect the quote: single if most lines have cells in single quotes, and more than in double ones; else double."""
    single, double = (len(re.findall(rf"(?m)(?:^|[,;\t|]) *{q}[^{q}\n]*{q} *(?=[,;\t|\r]|$)", text)) for q in ("'", '"'))
    return "'" if single > double and single >= 0.8 * text.count("\n") else '"'


def _separator(text: str, quote: str) -> str:
    """Detect the separator that splits all rows, the first included, into equally many cells, and does not split numbers."""
    if (between := _between_quotes(text, quote)) is not None:
        return between
    ranked = [(_fitness(_parsed(text, mark, quote)[:_SAMPLE]), mark) for mark in _SEPARATORS]
    fitness, separator = max(ranked, key=lambda pair: pair[0])
    if fitness[:2] == (True, True):
        return separator
    if _fitness(_parsed(_tabbed(text, quote), "\t", quote)[:_SAMPLE])[:2] == (True, True):
        return " "
    return separator if fitness[-1] > 0.5 else ","


def _between_quotes(text: str, quote: str) -> str | None:
    """Separator between a closing and an opening quote, if most lines have one; else None."""
    least = max(1, text.count("\n"), text.count("\r")) / 2
    counts = {
        mark: len(re.findall(rf"(?<!{quote}){quote} ?{re.escape(mark)} ?{quote}(?!{quote})", text)) for mark in _SEPARATORS
    }
    mark = max(counts, key=lambda mark: counts[mark])
    return mark if counts[mark] >= least else None


def _fitness(rows: list[list[str]]) -> tuple[bool, bool, float, float, float]:
    """Rate how well rows are split, by criteria in the order of their importance.

    Returns:
        Whether most rows have the same number of cells, at least two; whether the first row has it; the shares of file names
        and of numbers among the cells; and the share of rows with that number of cells.
    """
    width, count = usual_width(rows)
    if width < 2:
        return False, False, 0.0, 0.0, 0.0
    cells = [cell for row in rows if len(row) == width for cell in row]
    files, numbers = (sum(map(bool, map(form.fullmatch, cells))) / len(cells) for form in (FILE_NAME, NUMBER_LIKE))
    is_short = len(rows[0]) == width - 1 > 1  # a header may lack a name, or the separator at its end
    share = (count + is_short) / len(rows)
    return share >= _USUAL, is_short or len(rows[0]) == width, files, numbers, share


def usual_width(rows: list[list[str]]) -> tuple[int, int]:
    """Most frequent number of cells in a row, and the number of rows that have it."""
    return Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
