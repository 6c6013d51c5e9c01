"""Parsing of a CSV file into rows of cells, with detection of encoding, separator and quotes."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

from headstart.data.tables.number_formats import NUMBER_LIKE

__all__ = ["FILE_NAME", "read_rows", "usual_width"]

_SEPARATORS = "\t;,|"  # in order of preference if several fit equally well
_SAMPLE = 50  # rows from which the separator is detected
_USUAL = 0.8  # share of rows that must have the most frequent number of cells
FILE_NAME = re.compile(r"[^\t;,|]*[^\t;,|\s]\.[A-Za-z]\w{1,4}", re.ASCII)
_STRAY_BYTE = re.compile("[\udc80-\udcff]")  # as decoded by surrogateescape


def read_rows(content: bytes) -> tuple[list[list[str]], str]:
    """Parse a CSV file into rows of stripped cells, without blank lines; also return the separator.

    Raises:
        ValueError: The file is not text, or has no rows.
    """
    text = _decoded(content)
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
        raise ValueError("the file is empty")
    return rows, separator


def _decoded(content: bytes) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = None if is_utf16 else _mostly_utf8(content)
    if text is None:
        encodings = ("utf-16",) if is_utf16 else ("cp1252", "latin-1")
        text = next((text for encoding in encodings if (text := _decoded_as(content, encoding)) is not None), "\0")
    num_controls = sum(map(text[:100_000].count, (*map(chr, range(9)), *map(chr, range(14, 32)))))
    if "\0" in text or num_controls > len(text[:100_000]) / 100:
        raise ValueError("the file is not text")
    return text


def _mostly_utf8(content: bytes) -> str | None:
    """Decode UTF-8 with some bytes of a Western code page; None if these are at least as many as the non-ASCII letters."""
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
