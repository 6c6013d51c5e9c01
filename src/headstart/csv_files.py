"""Data: CSV of any kind: bytes to text, text to rows of cells, rows to columns with names."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np

from headstart.encoding import as_days, as_numbers, is_missing
from headstart.skipping import Skipped

__all__ = ["CsvTable", "read_csv_table"]

_SEPARATORS = "\t;,|"  # of two that fit alike, the earlier one
_SAMPLE = 50  # rows that the separator is told from
_USUAL = 0.8  # of the rows, at least, have the usual number of cells
_NUMERIC = 0.95  # of the cells that are there, at least, are numbers in a column of numbers
_BY_COMMAS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII)  # thousands set apart
_BY_POINTS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?", re.ASCII)
_NUMBER_LIKE = re.compile(
    rf"\s*(?:{_BY_COMMAS.pattern}|{_BY_POINTS.pattern}|[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?)\s*", re.ASCII
)
_FILE_NAME = re.compile(r"[^\t;,|]*[^\t;,|\s]\.[A-Za-z]\w{1,4}", re.ASCII)
_STRAY_BYTE = re.compile("[\udc80-\udcff]")  # as surrogateescape has it


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
    rows, separator = _rows(_decoded(content))
    return _table_of_rows(rows, separator, known)


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = None if is_utf16 else _mostly_utf8(content)
    if text is None:
        encodings = ("utf-16",) if is_utf16 else ("cp1252", "latin-1")
        text = next((text for encoding in encodings if (text := _decoded_as(content, encoding)) is not None), "\0")
    num_controls = sum(map(text[:100_000].count, (*map(chr, range(9)), *map(chr, range(14, 32)))))
    if "\0" in text or num_controls > len(text[:100_000]) / 100:
        raise ValueError("it holds bytes that are no text")
    return text


def _mostly_utf8(content: bytes) -> str | None:
    """Text in UTF-8; bytes that are none, if fewer than its letters beyond ASCII, are letters of a Western code page."""
    text = content.decode("utf-8-sig", "surrogateescape")
    num_strays = len(_STRAY_BYTE.findall(text))
    num_letters = len(text) - len(text.encode("ascii", "ignore")) - num_strays
    if num_strays and num_strays >= num_letters:
        return None
    return _STRAY_BYTE.sub(lambda found: bytes([ord(found[0]) & 0xFF]).decode("cp1252", "replace"), text)


def _decoded_as(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _rows(text: str) -> tuple[list[list[str]], str]:
    """Stripped cells, row by row, and what separates them; blank lines are left out."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    start = "".join(islice(io.StringIO(text[: 1 << 23], newline=""), 10 * _SAMPLE))
    quote = _quote(start)
    separator = _separator(start, quote)
    if separator == " ":
        text, separator = _tabbed(text, quote), "\t"
    rows = _parsed(text, separator, quote)
    if any(map(_holds_lines, rows)):
        rows = _with_swallowed(rows, text, separator, quote)
    if not rows:
        raise ValueError("it is empty")
    return rows, separator


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
    """The rows again, and those that stray quotes have swallowed: a line with such a quote is a row of its own."""
    sure = [row for row in rows if not _holds_lines(row)] or (rows if len(rows) > 1 else _parsed(text, separator, None))
    width, _ = _usual_width(sure)
    lines = io.StringIO(text, newline="").readlines()
    found, place, longest = [], 0, len(lines)
    while place < len(lines):
        reader = _reader(map(lines.__getitem__, range(place, min(place + longest, len(lines)))), separator, quote)
        row, end = next(reader), place + reader.line_num
        if _holds_lines(row) and _is_swallow(row, lines[place:end], width, separator, quote):
            if end == len(lines):
                longest = _SAMPLE  # the file is not read to its end for one stray quote after the other
            row, end = [cell.strip().strip(quote) for cell in next(_reader([lines[place]], separator, None))], place + 1
        found.append(row)
        place = end
    return _visible(found)


def _is_swallow(row: list[str], lines: list[str], width: int, separator: str, quote: str) -> bool:
    """Whether lines in one row are rows each: they have the usual width, or it has not and quotes are out of order."""
    plain = _parsed("".join(lines), separator, None)
    are_rows = sum(len(cells) == width for cells in plain) >= _USUAL * len(plain)
    try:
        list(_reader(lines, separator, quote, strict=True))
    except csv.Error:
        return are_rows or len(row) != width
    return are_rows and width > 1 and len(plain) > 2  # two lines with commas may well be prose


def _tabbed(text: str, quote: str) -> str:
    """A tab for any run of spaces outside quotes, which may hold lines where they are a whole cell."""
    trimmed = re.sub(r"(?m)^[ \t]+|[ \t]+$", "", text)
    cell = rf"(?<!\S){quote}(?:[^{quote}]|{quote}{quote})*{quote}(?!\S)"
    return re.sub(rf"({cell}|{quote}[^{quote}\n]*{quote})|[ \t]+", lambda run: run[1] or "\t", trimmed)


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
    return separator if fitness[-1] > 0.5 else ","


def _between_quotes(text: str, quote: str) -> str | None:
    """What stands between a closing and an opening quote in most lines."""
    least = max(1, text.count("\n"), text.count("\r")) / 2
    counts = {
        mark: len(re.findall(rf"(?<!{quote}){quote} ?{re.escape(mark)} ?{quote}(?!{quote})", text)) for mark in _SEPARATORS
    }
    mark = max(counts, key=lambda mark: counts[mark])
    return mark if counts[mark] >= least else None


def _fitness(rows: list[list[str]]) -> tuple[bool, bool, float, float, float]:
    """How well rows are split, what tells most first.

    Returns:
        Whether most rows have as many cells, two at least; whether the first has; the share of names of files, and that
        of numbers, among the cells; and the share of such rows.
    """
    width, count = _usual_width(rows)
    if width < 2:
        return False, False, 0.0, 0.0, 0.0
    cells = [cell for row in rows if len(row) == width for cell in row]
    files, numbers = (sum(map(bool, map(form.fullmatch, cells))) / len(cells) for form in (_FILE_NAME, _NUMBER_LIKE))
    is_short = len(rows[0]) == width - 1 > 1  # a header may lack a name, or the separator at its end
    share = (count + is_short) / len(rows)
    return share >= _USUAL, is_short or len(rows[0]) == width, files, numbers, share


def _usual_width(rows: list[list[str]]) -> tuple[int, int]:
    """The commonest number of cells in a row, and how many rows have it."""
    return Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)


def _table_of_rows(rows: list[list[str]], separator: str, known: Sequence[str]) -> CsvTable:
    width, _ = _usual_width(rows)
    if width > 1 and not any(row[-1] for row in rows if len(row) == width):  # a separator at the end of each line
        rows = [row[:-1] if len(row) == width else row for row in rows]
        width -= 1
    if len(rows[0]) == width - 1 > 1 and _is_header(["", *rows[0]], _columns(rows, width, separator), known):
        rows[0].insert(0, "")  # as R writes a table whose rows have names
    place = next(i for i, row in enumerate(rows) if len(row) == width)
    columns, names = _columns(rows, width, separator), [""] * width
    if _is_header(rows[place], below := [column[1:] for column in columns], known):
        columns, names = below, rows.pop(place)
    size = f"{width} column" + "s" * (width != 1)
    skipped = [
        Skipped(f"row {number}", f"{len(row)} cell{'s' * (len(row) != 1)} where the table has {size}")
        for number, row in enumerate(rows, 1)
        if len(row) != width
    ]
    return CsvTable(names, columns, [number for number, row in enumerate(rows, 1) if len(row) == width], skipped)


def _columns(rows: list[list[str]], width: int, separator: str) -> list[list[str]]:
    """The cells of each column, in rows of this width; numbers have a decimal point and no other mark.

    Commas are decimal ones between semicolons, or where one of a column of numbers can be nothing else; else thousands.
    """
    columns = [[row[i] for row in rows if len(row) == width] for i in range(width)]
    with_commas = [
        i for i, column in enumerate(columns) if any("," in cell and _NUMBER_LIKE.fullmatch(cell) for cell in column)
    ]
    decimal = {i: _numbers(columns[i], _without_decimal_commas) for i in with_commas}
    pairs = (pair for i in with_commas for pair in zip(columns[i], decimal[i], strict=True))
    is_decimal = separator == ";" or any("," in old and old != new and not _BY_COMMAS.fullmatch(old) for old, new in pairs)
    for i in with_commas:
        if is_decimal and decimal[i] != columns[i]:
            columns[i] = decimal[i]
        else:
            columns[i] = _numbers(columns[i], _without_thousands)
    return columns


def _numbers(column: list[str], read: Callable[[list[str]], list[str]]) -> list[str]:
    """A column with its numbers as they are read, if nearly all of its cells are numbers then; else as it stood."""
    cells = read(column)
    are_numbers = ~np.isnan(as_numbers(np.array(cells, object)))
    are_there = ~is_missing(np.array(column, object))
    below = slice(len(column) > 1, None)  # the first cell may be a name
    if are_numbers[below].sum() < max(1, _NUMERIC * are_there[below].sum()):
        return column
    return [new if is_number else old for old, new, is_number in zip(column, cells, are_numbers, strict=True)]


def _without_decimal_commas(column: list[str]) -> list[str]:
    """A point for a comma; points before each three digits go, in a column where no other ones are."""
    decimal_points = any("." in cell and _NUMBER_LIKE.fullmatch(cell) and not _BY_POINTS.fullmatch(cell) for cell in column)
    are_grouped = [_BY_POINTS.fullmatch(cell) and ("," in cell or not decimal_points) for cell in column]
    return [
        (cell.replace(".", "") if is_grouped else cell).replace(",", ".")
        for cell, is_grouped in zip(column, are_grouped, strict=True)
    ]


def _without_thousands(column: list[str]) -> list[str]:
    return [cell.replace(",", "") if _BY_COMMAS.fullmatch(cell) else cell for cell in column]


def _is_header(first: list[str], columns: list[list[str]], known: Sequence[str]) -> bool:
    """Whether the first row names the columns: known ones, or with texts that are neither numbers nor cells below."""
    if known and 2 * sum(name in first for name in known) > len(known):
        return True
    is_nameless = bool(known) and all(re.fullmatch(r"c\d+", name) for name in known)  # the model's table had no header
    told: list[int] = np.flatnonzero(~is_missing(np.array(first, object))).tolist()
    below = {i: set(columns[i]) for i in told}
    if numbered := [i for i in told if _NUMBER_LIKE.fullmatch(first[i])]:
        # A name may be a number, where others are words above numbers and none is a cell below.
        words = [i for i in told if i not in numbered]
        if any(first[i] in below[i] for i in words):
            return False
        if not is_nameless and _is_count(first, columns, numbered):
            return True
        return sum(_are_numbers(below[i]) for i in words) > 0 and len(numbered) <= len(words)
    if any(_are_dates([first[i]]) and _are_dates([*cells]) for i, cells in below.items()):
        return False
    if is_nameless and abs(len(first) - len(known)) <= 1:  # one here would stand above numbers
        return any(_are_numbers(cells) for cells in below.values())
    if "?" in first:  # no column is called that, and a missing cell often is
        return False
    return 2 * sum(first[i] in cells for i, cells in below.items()) < len(told)


def _is_count(first: list[str], columns: list[list[str]], numbered: list[int]) -> bool:
    """Whether numbers in the first row are names: 0, 1 and so on, as pandas writes them, or three at least beside a word.

    They are none where they count on below, or in most columns occur there.
    """
    if not columns[0] or not all(first[1:]) or not _rise([first[i] for i in numbered]):
        return False
    is_from_zero = first[numbered[0]] == "0"
    if is_from_zero and not first[0] and columns[0][0] == "0" and _rise(columns[0]):  # the index of a data frame
        return True
    if _rise([first[0], *columns[0]]) or _rise([columns[i][0] for i in numbered]):
        return False
    num_recurring = sum(first[i] in columns[i] for i in numbered)
    if is_from_zero:
        return 2 * num_recurring < len(numbered)
    return all(first) and len(first) > len(numbered) > 2 and not num_recurring and not any(map(_FILE_NAME.fullmatch, first))


def _rise(cells: Sequence[str]) -> bool:
    """Whether the cells are whole numbers, each one more than the one before."""
    return all(re.fullmatch(r"0|[1-9][0-9]{0,8}", cell) for cell in cells) and all(
        int(later) == int(cell) + 1 for cell, later in pairwise(cells)
    )


def _are_numbers(cells: set[str]) -> bool:
    """Whether all of the cells are numbers, or missing."""
    values = np.array([*cells], object)
    missing = is_missing(values)
    return bool((missing | ~np.isnan(as_numbers(values))).all() and not missing.all())


def _are_dates(cells: list[str]) -> bool:
    """Whether most of the cells are dates."""
    found = as_days(np.array(cells[:_SAMPLE], object))
    return 2 * int((~np.isnan(found)).sum()) > len(found)
