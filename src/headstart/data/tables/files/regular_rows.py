"""Fast parsing of a CSV file whose rows are lines."""

from __future__ import annotations

import csv
from typing import Any

from headstart.data.tables.text_columns import TextColumns

__all__ = ["regular_rows"]

_SPACES = "\t\x0b\x0c\x1c\x1d\x1e\x1f "  # that str.strip removes from ASCII text, but for line ends
_MAX_ODD = 1000


def regular_rows(
    content: bytes, separator: str, quote: str, width: int
) -> tuple[TextColumns, list[tuple[int, list[str]]]] | None:
    """Parse a file with pyarrow, which gives the cells that the csv module gives, many times faster.

    Args:
        content: Text in UTF-8.
        separator: Cell separator.
        quote: Quote character.
        width: Number of cells of a usual row, at least 2.

    Returns:
        Stripped cells of the usual rows, and the number and cells of each other row that is not blank; numbers count rows
        that are not blank, from 1. None if the file has to be parsed otherwise: a cell holds line breaks, very many rows
        have another number of cells, or there is a space before a quote.
    """
    import pyarrow as pa

    mark, quoted = separator.encode(), quote.encode()
    if b" " + quoted in content:
        is_spaced = any(edge + b" " + gap in content for edge in (mark, b"\r", b"\n") for gap in (quoted, b" "))
        if is_spaced or content.startswith(b" "):
            return None
    try:
        cells, bad = _parsed(content, separator, quote, width)
    except pa.ArrowInvalid:  # such as a row that is longer than a block
        return None
    if len(bad) > _MAX_ODD or (quoted in content and _may_hold_lines(content, cells.num_rows + len(bad))):
        return None
    odd, num_blank = [], 0
    for number, text in bad:
        row = [
            cell.strip() for cell in next(csv.reader([text], delimiter=separator, quotechar=quote, skipinitialspace=True))
        ]
        if row == [""]:
            num_blank += 1
        else:
            odd.append((number - num_blank, row))
    cells = _stripped(cells, content)
    pa.default_memory_pool().release_unused()  # so that the peak is that of parsing alone
    return TextColumns(cells), odd


def _parsed(content: bytes, separator: str, quote: str, width: int) -> tuple[Any, list[tuple[int, str]]]:
    """Parse the rows of a usual width; also return the number and the text of each other row."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    bad: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        if len(bad) <= _MAX_ODD:
            bad.append((row.number, row.text))
        return "skip"

    names = [*map(str, range(width))]
    cells = arrow_csv.read_csv(
        pa.BufferReader(content),
        # Rows are numbered without threads only, which would take a tenth more memory and save a tenth of the time.
        read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False),
        parse_options=arrow_csv.ParseOptions(
            delimiter=separator, quote_char=quote, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, quoted_strings_can_be_null=False
        ),
    )
    return cells, bad


def _may_hold_lines(content: bytes, num_rows: int) -> bool:
    """Whether there are more lines than rows, because of blank lines or because cells hold line breaks."""
    num_lines = content.count(b"\n") + (not content.endswith(b"\n"))
    return num_lines != num_rows or (b"\r" in content and content.count(b"\r") != content.count(b"\r\n"))


def _stripped(cells: Any, content: bytes) -> Any:
    """Strip all cells; columns without spaces at an end stay as they are, so that few are in memory twice."""
    import pyarrow.compute as pc

    spaces = [space for space in _SPACES if space.encode() in content]
    is_ascii = content.isascii()
    for place, (name, column) in enumerate(zip(cells.column_names, cells.columns, strict=True)):
        ends = (end(column, space) for space in spaces for end in (pc.starts_with, pc.ends_with))
        if not is_ascii or any(pc.any(found).as_py() for found in ends):
            cells = cells.set_column(place, name, pc.utf8_trim_whitespace(column))
    return cells
